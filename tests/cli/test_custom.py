"""A task of the user's own, from its file to pictures: the example of docs/training.md."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("torch")

DOCS = Path(__file__).parents[2] / "docs" / "training.md"


def block(language: str) -> str:
    """The example's code in the section on tasks of one's own."""
    section = DOCS.read_text("utf-8").split("## A task of your own")[1]
    return re.search(rf"```{language}\n(.*?)```", section, re.S)[1]


@pytest.fixture
def neural(neural):
    """The program; `code` is what it must exit with, None where another tells."""

    def call(*arguments, code=0):
        result = neural(*arguments)
        assert code is None or result.code == code, result.err
        return result

    return call


@pytest.fixture
def rotate():
    """The example's two files in the current folder."""
    Path("rotate.py").write_text(block("python"), encoding="utf-8")
    path = Path("rotate.neural")
    path.write_text(block("neural"), encoding="utf-8")
    return path


def replace(path, old, new):
    text = Path(path).read_text("utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new), encoding="utf-8")


def test_the_example_is_learnt_asked_tested_and_drawn(neural, rotate, backend):
    neural("train", rotate, "--trust", "--backend", backend)
    answers = neural("predict", "runs/rotate", "--prompt", "abcd", "--trust").out
    assert answers == "dabc\n"
    told = neural("evaluate", "runs/rotate", "--trust", "--format", "json").out
    report = json.loads(told)
    assert report["greedy"]["right"] == report["greedy"]["count"] == 596
    assert report["attention"][0]["measures"]["exact_match"] < 0.1
    drawn = neural("visualize", "runs/rotate", "--attention", "--trust").out
    assert "share of attention on the cells expected" in drawn
    assert Path("attention_outputs/attention_heatmap.png").stat().st_size > 1_000
    wrong = neural("predict", "runs/rotate", "--prompt", "abcx", "--trust", code=1)
    assert "NE159" in wrong.err and "4 letters from a to h" in wrong.err


def test_no_command_runs_the_code_without_trust(neural, rotate):
    proof = Path("ran").absolute()
    replace(rotate, "steps: 200", "steps: 2")
    replace(
        "rotate.py",
        "import numpy as np",
        f"import numpy as np\nopen({str(proof)!r}, 'w').close()",
    )
    neural("check", rotate)
    neural("compile", rotate, "-o", "out.py", "--backend", "pytorch")
    for command in (["train"], ["data"]):
        assert "NE163" in neural(*command, rotate, code=1).err
    assert not Path("runs").exists()
    neural("run", rotate)
    neural("visualize", rotate, "--attention")
    assert not proof.exists()
    neural("train", rotate, "--trust")
    proof.unlink()
    told = ["--prompt", "abcd"]
    for command in (["predict", *told], ["evaluate"], ["visualize", "--attention"]):
        done = neural(command[0], "runs/rotate", *command[1:], code=1)
        assert "NE163" in done.err and "task.py" in done.err
    neural("visualize", "runs/rotate", "-o", "architecture.html")
    assert not proof.exists()


def test_the_emitted_script_trains_alone(neural, rotate, backend, tmp_path):
    replace(rotate, "steps: 200", "steps: 4")
    neural("compile", rotate, "--backend", backend, "-o", "alone.py")
    code = Path("alone.py").read_text("utf-8")
    assert "class Rotate(Task):" in code and "neural_dsl" not in code
    folder = tmp_path / "alone"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-I", str(Path("alone.py").absolute())],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"test exact match \d+\.\d%", done.stdout.splitlines()[-1])


def test_a_run_keeps_its_task_and_needs_no_other_copy(neural, rotate):
    replace(rotate, "steps: 200", "steps: 4")
    text = Path("rotate.py").read_bytes()
    neural("train", rotate, "--trust")
    assert Path("runs/rotate/task.py").read_bytes() == text
    Path("rotate.py").unlink()
    neural("evaluate", "runs/rotate", "--trust")
    neural("train", "runs/rotate", "--resume", "--trust")
    for path in Path("runs/rotate").glob("*.safetensors"):
        path.unlink()
    told = neural("evaluate", "runs/rotate", "--trust", code=1).err
    assert "`neural train rotate.neural --output-dir runs/rotate --overwrite`" in told


def test_resuming_notices_that_the_task_has_changed(neural, rotate):
    replace(rotate, "steps: 200", "steps: 4")
    neural("train", rotate, "--trust")
    neural("train", rotate, "--trust", "--resume")
    replace("rotate.py", "default_rng(0)", "default_rng(1)")
    done = neural("train", rotate, "--trust", "--resume", code=1)
    assert "NE157" in done.err and "rotate.py" in done.err
    neural("train", "runs/rotate", "--resume", "--trust")  # as it is
    replace("runs/rotate/task.py", "default_rng(0)", "default_rng(1)")
    done = neural("train", "runs/rotate", "--resume", "--trust", code=1)
    assert "NE157" in done.err
    done = neural("evaluate", "runs/rotate", "--trust", code=1)
    assert "NE162" in done.err and "task.py" in done.err


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("class Rotate(Task)", "class Rotate", "NE162", "write `class Rotate(Task):`"),
        ("causal = False", 'measure = "f1"', "NE075", '"exact_match" or "accuracy"'),
        ("def size", "def sizes", "NE162", "lacks size"),
        ("digits + 1, np", "digits + 2, np", "NE164", "holds the id 9"),
        ("digits + 1, np", "digits - 1, np", "NE164", "holds the id -1"),
        ("axis=1) + 1", "axis=1) + 2", "NE164", "the label 9, the network tells 9"),
        ("digits + 1, np", "digits[:, :3] + 1, np", "NE164", "has the shape (3,)"),
        ("digits + 1, np", "digits * 1.0, np", "NE164", "holds float64 values"),
        ("axis=1) + 1", "axis=1)[:, 0] + 1", "NE164", "have the shape () each"),
        ("[3000, 3500]", "[3000, 4096]", "NE164", "the test split is empty"),
        ("digits + 1, np", "digits / 0 + unknown, np", "NE162", "Rotate.batch: NameError"),
        ("import numpy", "import neural_dsl.api\nimport numpy", "NE075", "neural_dsl.api"),
        ("class Rotate", "BATCH_SIZE = 1\nclass Rotate", "NE075", "`BATCH_SIZE`"),
        ("class Rotate", "step = 1\nclass Rotate", "NE075", "`step`"),
        ("import numpy", "from math import e as exact\nimport numpy", "NE075", "`exact`"),
        ("class Rotate", "def evaluate(): ...\nclass Rotate", "NE075", "`evaluate`"),
        ("self.symbols.index(symbol)", "]", "NE075", "line "),
    ],
)  # fmt: skip
def test_mistakes_in_the_file_are_named(neural, rotate, old, new, code, words):
    replace("rotate.py", old, new)
    done = neural("train", rotate, "--trust", code=1)
    assert code in done.err and words in done.err
    assert not Path("runs/rotate").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("return len(self.rows[split])", "return None", "Rotate.size returns None, not a whole"),
        ("return len(self.rows[split])", "return -1", "Rotate.size returns -1"),
        ("return digits + 1, np.roll", "return np.roll", "returns one array of the shape"),
        ("return digits + 1, np", "return digits, digits, np", "returns 3 values, not two"),
        ("digits + 1, np", "digits[1:] + 1, np", "inputs for 999 examples, and 1,000 were"),
        ("axis=1) + 1  #", "axis=1)[:-1] + 1  #", "targets for 999 examples, and 1,000"),
        ("digits + 1, np", "(digits + 1).tolist(), np", "as inputs, not a NumPy array"),
        ("digits + 1, np", "(digits + 1).astype(object), np", "inputs of Python objects"),
        ("axis=1) + 1  #", "axis=1).astype(object)  #", "targets of Python objects"),
        ("digits + 1, np", "np.sum(digits), np", "as inputs, not a NumPy array"),
        ("digits + 1, np", "digits[:, :0] + 1, np", "inputs without content"),
        ("every = np", "raise SystemExit(3)\n        every = np", "sys.exit(3)"),
        ("digits = self", "raise SystemExit(3)\n        digits = self", "Rotate.batch: it ends"),
        ('symbols = ["PAD"', 'symbols = [0', "`symbols` of Rotate"),
        ("max_length = 4", "max_length = None", "`max_length` of Rotate"),
        ("max_length = 4", "max_length = -4", "`max_length` of Rotate in "),
        ("causal = False", "causal = 'maybe'", "`causal` of Rotate in "),
        ("import numpy as np\n", "import numpy as np\n\nraise SystemExit(3)\n", "SystemExit: 3"),
    ],
)  # fmt: skip
def test_what_a_method_must_not_return_is_named(neural, rotate, old, new, words):
    replace("rotate.py", old, new)
    done = neural("train", rotate, "--trust", code=1)
    assert words in done.err and "internal error" not in done.err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('return "".join(self.symbols[id] for id in ids)', "return 5", "Rotate.decode returns 5, not a text"),
        ("return self.decode(row[0]), self.decode(answer[0])", "return 1, 2", "problem returns 1, not a text in it"),
        ("return self.decode(row[0]), self", "return self", "Rotate.problem returns '"),
        ("return np.array([self.symbols.index(symbol) for symbol in prompt])", "return prompt", "Rotate.encode returns 'dfaa', not an array"),
        ("return np.array([self.symbols.index(symbol) for symbol in prompt])", "return np.arange(40) % 8", "Rotate.encode returns 40 ids, and the model reads 4"),
        ("return np.array([self.symbols.index(symbol) for symbol in prompt])", "return np.full(4, 99)", "Rotate.encode returns the id 99, and the model knows the ids below 9"),
        ("return 4\n", "return '4'\n", "Rotate.answer_length returns '4', not a whole"),
        ("if len(prompt)", "raise SystemExit(3)\n        if len(prompt)", "Rotate.encode: it ends the program by sys.exit(3)"),
    ],
)  # fmt: skip
def test_what_a_method_for_prompts_must_not_return_is_named(
    neural, rotate, old, new, words
):
    replace("rotate.py", old, new)
    done = neural("train", rotate, "--trust", code=1)
    assert "NE162" in done.err and words in done.err, done.err
    assert not Path("runs").exists()


def test_cells_that_are_none_and_failures_for_one_prompt_are_named(neural, rotate):
    replace("rotate.py", "return [(place,", "return [place and (place,")
    replace(
        "rotate.py",
        "if len(prompt)",
        "if prompt == 'aaaa':\n            raise SystemExit(3)\n        if len(prompt)",
    )
    neural("train", rotate, "--trust", "--set", "train.steps=2")
    done = neural("visualize", "runs/rotate", "--attention", "--trust", code=1)
    assert "NE162" in done.err and "Rotate.attention_for returns [0, (1," in done.err
    done = neural("predict", "runs/rotate", "--prompt", "aaaa", "--trust", code=1)
    assert "Rotate.encode: it ends the program by sys.exit(3)" in done.err


@pytest.mark.parametrize("place", ["99", "-1"])
def test_a_place_that_the_model_does_not_read_is_named(neural, rotate, place):
    replace("rotate.py", "return [(place,", f"return [({place},")
    short = ("--trust", "--set", "train.steps=2")
    neural("train", rotate, *short)
    done = neural("visualize", "runs/rotate", "--attention", "--trust", code=1)
    assert "NE162" in done.err
    assert f"Rotate.attention_for returns the place {place}, and the model" in done.err
    done = neural(
        "train", rotate, *short, "--set", "train.attention_snapshots=2",
        "--output-dir", "snapshots", code=1,
    )  # fmt: skip
    assert "NE162" in done.err and "Rotate.attention_for" in done.err


def test_answers_that_go_on_where_the_model_ends_are_named(neural, rotate):
    replace("rotate.py", "causal = False", "causal = True")
    done = neural("train", rotate, "--trust", "--set", "train.steps=2", code=1)
    assert "NE162" in done.err and "`answer_length`" in done.err, done.err
    assert "`causal = False`" in done.err


def test_a_measure_that_the_network_cannot_have_is_refused(neural, rotate):
    replace("rotate.py", "axis=1) + 1  #", "axis=1)[:, 0] + 1  #")
    replace(rotate, "    LayerNormalization()", "    GlobalAveragePooling1D()")
    done = neural("train", rotate, "--trust", code=1)
    assert "NE162" in done.err and 'write `measure = "accuracy"`' in done.err
    replace("rotate.py", "causal = False", 'measure = "accuracy"\n    causal = False')
    neural("train", rotate, "--trust", "--set", "train.steps=2")
    done = neural("predict", "runs/rotate", "--prompt", "abcd", "--trust", code=1)
    assert "NE160" in done.err
    neural("evaluate", "runs/rotate", "--trust")


def test_the_user_s_code_is_pasted_to_the_letter(neural, rotate):
    long = f"NOTE = '''{'1e-05 ' * 20}'''  # {'x' * 90}"
    replace("rotate.py", "class Rotate", f"{long}\n\n\nclass Rotate")
    neural("compile", rotate, "-o", "out.py", "--backend", "pytorch")
    assert f"\n{long}\n" in Path("out.py").read_text("utf-8")


@pytest.mark.parametrize("file", ["reverse", "sequences"])  # as before, and where it is
def test_a_task_may_build_on_one_of_ours(neural, rotate, file):
    Path("rotate.py").write_text(
        "from __future__ import annotations\n\n"
        f"from neural_dsl.tasks.{file} import Reverse\n\n\n"
        "class Backwards(Reverse):\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__(length=4, vocabulary=8, layout='aligned',\n"
        "            train_size=500, validation_size=50, test_size=50)\n"
    )
    replace(rotate, "steps: 200", "steps: 4")
    neural("train", rotate, "--trust")
    assert neural("predict", "runs/rotate", "--prompt", "abcd", "--trust").out.strip()
    report = neural("evaluate", "runs/rotate", "--trust", "--format", "json")
    assert set(json.loads(report.out)["tables"]) == {"position", "length"}
    neural("data", rotate, "--trust")
    lines = Path("data/test.txt").read_text("utf-8").splitlines()
    pairs = [line.split(":") for line in lines]
    assert len(pairs) == 50 and all(a == b[::-1] for a, b in pairs)
    neural("compile", rotate, "-o", "out.py", "--backend", "pytorch")
    clean = [sys.executable, "-m", "ruff", "check", "--isolated", "out.py"]
    subprocess.run(clean, check=True, capture_output=True)
    subprocess.run([sys.executable, "-I", "out.py"], check=True, capture_output=True)


@pytest.mark.needs()
@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "from neural_dsl.runs.train import train",
            "import from neural_dsl.tasks.base",
        ),
        ("from neural_dsl.tasks.text import Text", "it imports Text, which"),
        ("from neural_dsl.tasks.sequences import Copy as C", "by name, without `as`"),
    ],
)
def test_a_task_builds_on_what_its_script_can_contain(neural, rotate, line, words):
    text = Path("rotate.py").read_text("utf-8")
    Path("rotate.py").write_text(f"{line}\n{text}", encoding="utf-8")
    done = neural("check", rotate, code=1)
    assert "NE075" in done.err and words in done.err


def test_attributes_of_the_user_s_own_mean_nothing_to_us(neural, rotate):
    replace(
        "rotate.py",
        "    max_length = 4",
        "    max_length = 4\n    signs = source = arrange = None\n   ",
    )
    neural("train", rotate, "--trust", "--set", "train.steps=2")
    neural("evaluate", "runs/rotate", "--trust")
    neural("predict", "runs/rotate", "--prompt", "abcd", "--trust")
    neural("visualize", "runs/rotate", "--attention", "--trust")


def test_splits_that_are_drawn_anew_each_time_are_refused(neural, rotate):
    replace("rotate.py", "default_rng(0)", "default_rng()")
    done = neural("train", rotate, "--trust", code=1)
    assert "NE162" in done.err and "other train examples each time" in done.err
    assert not Path("runs").exists()


def test_other_splits_than_the_run_began_with_are_refused(neural, rotate, monkeypatch):
    # What decides over the test split lies outside the file: nothing else notices it.
    replace("rotate.py", "import numpy as np", "import os\n\nimport numpy as np")
    old = 'self.rows = dict(zip(("train", "validation", "test"), parts))'
    swap = "parts[2] = np.roll(parts[2], int(os.environ.get('ROLL', '0')))"
    replace("rotate.py", old, f"{swap}\n        {old}")
    neural("train", rotate, "--trust", "--set", "train.steps=4")
    neural("evaluate", "runs/rotate", "--trust")
    path = Path("runs/rotate/run.json")
    about = json.loads(path.read_text())
    about["status"] = "interrupted"
    path.write_text(json.dumps(about))
    monkeypatch.setenv("ROLL", "1")
    again = ("train", "runs/rotate", "--resume")
    for command in (("evaluate", "runs/rotate"), again):
        done = neural(*command, "--trust", code=1)
        assert "NE162" in done.err and "other test examples than when" in done.err
    del about["splits_sha256"]  # a run of an older version
    path.write_text(json.dumps(about))
    neural("evaluate", "runs/rotate", "--trust")
    neural(*again, "--trust")
