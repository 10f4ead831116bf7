"""`neural train` and what stands on it, as a user meets them."""

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends import weights_file
from neural_dsl.backends.canonical import canonical_arrays
from neural_dsl.runs.journal import installed
from tests.cli.training_files import COPY

pytestmark = pytest.mark.needs("torch")

SHORT = ("--set", "train.steps=6", "--set", "train.validate_every=3")
FILES = {
    *("model.neural", "train.py", "run.json", "metrics.jsonl", "loss_curves.png"),
    *("best.safetensors", "last.safetensors", "state.safetensors", ".lock"),
}


def about(folder="runs/model"):
    return json.loads((Path(folder) / "run.json").read_text("utf-8"))


def lines(folder="runs/model"):
    text = (Path(folder) / "metrics.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_training_learns_the_task_and_describes_itself(neural, file, backend):
    result = neural("train", file(COPY), "--backend", backend)
    assert result.code == 0, result.err
    assert result.out == "exact match 200/200 on the test split\n"
    names = {path.name for path in Path("runs/model").iterdir()}
    shown = {"tensorboard"} if installed() else set()
    assert {name for name in names if not name.startswith("log-")} == FILES | shown
    log = next(Path("runs/model").glob("log-*.txt")).read_text("utf-8")
    for word in (
        "transformer_decoder",
        "batch size: 64",
        "optimizer: AdamW(",
        "validation loss",
        "versions:",
    ):
        assert word in log
    assert about()["status"] == "finished" and about()["backend"] == backend
    steps = [line["step"] for line in lines() if "loss" in line]
    assert steps == list(range(1, 161))
    validations = [line for line in lines() if "validation_exact_match" in line]
    assert [line["step"] for line in validations] == [40, 80, 120, 160]
    assert Path("runs/model/loss_curves.png").read_bytes()[:4] == b"\x89PNG"
    best = weights_file.load("runs/model/best.safetensors")
    assert best.metadata["step"] == str(about()["best_step"])


def test_what_was_trained_is_what_the_emitted_file_trains(
    neural, file, backend, tmp_path
):
    assert neural("train", file(COPY), "--backend", backend, *SHORT).code == 0
    done = subprocess.run(
        [sys.executable, "runs/model/train.py"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    compiled = nd.compile(Path("runs/model/model.neural"), backend)
    saved = weights_file.load(tmp_path / "tiny.safetensors").arrays
    theirs = canonical_arrays(compiled, saved)  # by the names that the framework gives
    ours = weights_file.load("runs/model/last.safetensors").arrays
    assert theirs.keys() == ours.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name])


def test_settings_are_changed_for_one_run_and_checked_as_in_a_file(neural, file):
    source = file(COPY)
    text = source.read_text("utf-8")
    result = neural(
        *("train", source, *SHORT, "--set", "task.vocabulary=9", "--seed", "7"),
        *("--set", "optimizer=SGD(learning_rate=0.5)", "--set", "execution.device=cpu"),
        *("--set", "optimizer.learning_rate=0.25"),
    )
    assert result.code == 0, result.err
    copy = Path("runs/model/model.neural").read_text("utf-8")
    for words in ("steps: 6", "vocabulary=9", "seed: 7", "SGD(learning_rate=0.25)"):
        assert words in copy
    assert about()["seed"] == 7 and source.read_text("utf-8") == text
    assert lines()[0]["learning_rate"] == 0.25
    code = Path("runs/model/train.py").read_text("utf-8")
    assert neural("compile", "runs/model/model.neural").out == code.replace(
        "python train.py", "python compiled_model_pytorch.py"
    )


@pytest.mark.needs()
@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ("train.batch_size=0", "NE069", "1 or more"),
        ("train.batchsize=2", "NE066", "batch_size"),
        ("trian.batch_size=2", "NE151", "did you mean `train`"),
        ("batch_size", "NE151", "SECTION.KEY=VALUE"),
        ("optimizer.learning_rate=1", "NE151", "give it whole"),
        ("task=Copi()", "NE073", "Copy"),
    ],
)
def test_a_wrong_setting_is_refused_and_leaves_no_folder(
    neural, file, given, code, says
):
    result = neural("train", file(COPY), "--set", given)
    assert result.code == 1 and code in result.err and says in result.err
    if code != "NE151":  # the lines shown are not those of the file
        assert f"(with --set {given})" in result.err
    assert not Path("runs").exists() or not any(Path("runs").iterdir())


@pytest.mark.needs()
@pytest.mark.parametrize(
    "given",
    [
        ("--set", "train.steps=6", "--set", "train.epochs=2"),
        ("--set", "train.steps=6", "--epochs", "2"),
    ],
)
def test_two_settings_that_say_the_same_thing_are_refused(neural, file, given):
    done = neural("train", file(COPY), *given)
    assert done.code == 1 and "NE151" in done.err
    assert "`train.steps=6` and `train.epochs=2` both say how long" in done.err


def test_all_sizes_that_are_too_large_are_named_at_once(neural, file):
    small = ("--set", "task.vocabulary=3", "--set", "task.train_size=20")
    done = neural("train", file(COPY), *small)
    assert "81 problems, too few to keep 200 for test and 100 for valid" in done.err
    fitting = [
        w.strip("`,") for w in done.err.split() if w.startswith("`") and "_size" in w
    ]
    assert [each.split("=")[0] for each in fitting] == ["test_size", "validation_size"]
    most = [int(each.split("=")[1]) for each in fitting]
    for test, validation in ((most[0] + 1, most[1]), (most[0], most[1] + 1)):
        more = (f"test_size={test}", f"validation_size={validation}")
        above = [part for each in more for part in ("--set", f"task.{each}")]
        assert "NE074" in neural("train", file(COPY), *small, *above, *SHORT).err
    sizes = [part for each in fitting for part in ("--set", f"task.{each}")]
    assert neural("train", file(COPY), *small, *sizes, *SHORT).code == 0
    one = ("--set", "task.vocabulary=1", "--set", "task.length=1")
    assert "there is 1 problem, too few" in neural("train", file(COPY), *one).err


def test_answers_to_what_was_never_trained_on_come_with_a_note(
    neural, file, monkeypatch
):
    import io

    sizes = ("--set", "task.test_size=9", "--set", "task.validation_size=9")
    sums = 'task=Arithmetic(operations=("add",), max_number=50)'
    assert neural("train", file(COPY), "--set", sums, *sizes, *SHORT).code == 0
    run = ("predict", "runs/model")
    assert neural(*run, "--prompt", "1+50=").err == ""
    asked = neural(*run, "--prompt", "0+1=", "--prompt", "1+00")
    assert asked.code == 0 and len(asked.out.splitlines()) == 2
    says = "no problem with 0 was trained on, only numbers from 1 to 50"
    assert asked.err == f"0+1=: {says}\n"
    stdin = io.TextIOWrapper(io.BytesIO(b"1+2=\n0+3=\n4+0=\n"), "utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)
    piped = neural(*run)
    assert len(piped.out.splitlines()) == 3 and piped.err == f"0+3=: {says}\n"
    drawn = neural("visualize", "runs/model", "--attention", "--prompt", "0+1=")
    assert drawn.code == 0 and f"  {says}\n" in drawn.out


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_byte_that_is_no_text_is_named_with_its_line(
    neural, file, monkeypatch, errors
):
    import io

    assert neural("train", file(COPY), *SHORT).code == 0
    stdin = io.TextIOWrapper(io.BytesIO(b"abcd\nab\xffd\n"), "utf-8", errors)
    monkeypatch.setattr(sys, "stdin", stdin)
    asked = neural("predict", "runs/model")
    answer, empty = asked.out.splitlines()  # the bad prompt's line is there, and empty
    assert asked.code == 1 and answer and not empty
    assert "NE159" in asked.err and "udcff" not in asked.err
    assert (
        "in line 2 is no text in UTF-8: its character 3 is the byte 0xff" in asked.err
    )


def test_a_network_without_a_task_is_refused(neural, file):
    plain = "network P { input: (4,) layers: Dense(3) Output(2) }"
    assert "NE161" in neural("train", file(plain, "p.neural")).err


def test_a_training_is_on_the_device_that_is_asked_for(neural, file, backend):
    """PyTorch's model is moved to it; Keras has it as the scope around the training."""
    path, options = file(COPY), ("--backend", backend, "--set", "train.steps=2")
    result = neural("train", path, *options, "--device", "cuda:99")
    assert result.code == 1 and "NE152" in result.err and "`cpu`" in result.err
    assert not Path("runs/model").exists()
    assert neural("train", path, *options, "--device", "cpu").code == 0
    assert json.loads(Path("runs/model/run.json").read_text())["device"] == "cpu"


def test_a_run_is_never_trained_over(neural, file):
    source = file(COPY)
    assert neural("train", source, *SHORT).code == 0
    before = Path("runs/model/last.safetensors").read_bytes()
    again = neural("train", source, *SHORT)
    # There is nothing to go on with: the way on is another folder, or this one anew.
    assert again.code == 1 and "NE150" in again.err and "--overwrite" in again.err
    assert "--output-dir runs/model-2" in again.err and "--resume" not in again.err
    named = neural("train", "runs/model")
    assert named.code == 1 and named.err == again.err
    whole = Path("runs/model/run.json").read_text("utf-8")
    halted = whole.replace('"status": "finished"', '"status": "stopped"')
    Path("runs/model/run.json").write_text(halted, encoding="utf-8")
    assert halted != whole and "--resume" in neural("train", source, *SHORT).err
    Path("runs/model/run.json").write_text(whole, encoding="utf-8")
    finished = neural("train", source, "--resume")
    assert finished.code == 0 and "finished" in finished.err
    changed = neural("train", source, "--resume", "--epochs", "3")
    assert changed.code == 1 and "NE157" in changed.err
    source.write_text(COPY.replace("num_heads=2", "num_heads=4"), encoding="utf-8")
    assert "has changed" in neural("train", source, "--resume").err
    assert Path("runs/model/last.safetensors").read_bytes() == before
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("precious")
    assert "NE150" in neural("train", source, "--output-dir", "mine").err
    assert Path("mine/notes.txt").read_text() == "precious"


def test_resuming_without_a_run_starts_afresh_and_says_so(neural, file):
    result = neural("train", file(COPY), "--resume", *SHORT)
    assert result.code == 0 and "afresh" in result.err


def test_a_loss_that_is_no_number_stops_and_keeps_the_good_checkpoint(neural, file):
    # Explodes after the first validation: nothing clips, and the rate jumps.
    given = (
        *("--set", "optimizer=SGD(learning_rate=0.1)", "--set", "train.steps=40"),
        *("--set", "train.validate_every=5", "--set", "train.gradient_clip=1e30"),
        "--set",
        "lr_schedule=PiecewiseConstantDecay(boundaries=[7], values=[0.1, 1e30])",
    )
    result = neural("train", file(COPY), *given)
    assert result.code == 1 and "NE154" in result.err
    assert "checkpoint of step 5 is kept" in result.err
    assert about()["status"] == "failed"
    assert Path("runs/model/loss_curves.png").exists()  # how it came to this
    kept = weights_file.load("runs/model/last.safetensors")
    assert kept.metadata["step"] == "5"
    assert all(np.isfinite(array).all() for array in kept.arrays.values())


@pytest.mark.parametrize("snapshots", [0, 40])
def test_weights_whose_output_is_no_number_are_never_a_checkpoint(
    neural, file, snapshots
):
    # From step 15 on the rate is 1e25: finite weights, but not what they give.
    rate = "optimizer=Adam(PiecewiseConstantDecay((14,), (0.01, 1e25)))"
    given = ["--set", rate, "--set", "train.checkpoint_every=1"]
    given += ["--set", "train.validate_every=10", "--set", "train.steps=30"]
    if snapshots:
        given += ["--set", f"train.attention_snapshots={snapshots}"]
    result = neural("train", file(COPY), *given)
    assert result.code == 1 and "NE154" in result.err and "NE107" not in result.err
    assert "is kept in last.safetensors" in result.err
    last = json.loads(
        neural("evaluate", "runs/model", "--weights", "last", "--format", "json").out
    )
    assert np.isfinite(last["measures"]["loss"])


def test_an_unwritable_place_is_refused_before_training(neural, file):
    Path("taken").write_text("a file")
    result = neural("train", file(COPY), "--output-dir", "taken/run")
    assert result.code == 1 and "NE134" in result.err
    assert Path("taken").read_text() == "a file"


def run_neural(*arguments, **options):
    code = "import sys; from neural_dsl.cli.program import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_full_disk_is_said_and_leaves_the_last_checkpoint_whole(neural, file):
    source = file(COPY)
    steps = ("--set", "train.steps=4", "--set", "train.validate_every=2")

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    process = run_neural("train", source, *steps, preexec_fn=small_files)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1 and "NE134" in err and "Traceback" not in err
    assert not list(Path("runs/model").glob(".*.tmp"))
    assert not Path("runs/model/state.safetensors").exists()
    resumed = neural("train", source, "--resume")
    assert resumed.code == 0, resumed.err


def test_ctrl_c_saves_and_the_run_goes_on_as_if_nothing_had_happened(neural, file):
    source = file(COPY)
    given = ("--set", "train.steps=400", "--set", "train.validate_every=10")
    process = run_neural("train", source, *given)
    for line in process.stderr:  # wait until it trains
        if line.startswith("step "):
            break
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130 and "--resume" in err, err
    assert about()["status"] == "interrupted"
    assert neural("train", source, "--resume").code == 0
    whole = neural("train", source, *given, "--output-dir", "runs/whole")
    assert whole.code == 0
    for name in ("last", "best", "state"):
        one = weights_file.load(f"runs/model/{name}.safetensors").arrays
        other = weights_file.load(f"runs/whole/{name}.safetensors").arrays
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[key], other[key]) for key in one)
    assert [line.get("loss") for line in lines()] == [
        line.get("loss") for line in lines("runs/whole")
    ]


def test_two_trainings_cannot_share_a_folder(neural, file):
    from neural_dsl.runs.directory import only_one

    source = file(COPY)
    assert neural("train", source, *SHORT).code == 0
    with only_one(Path("runs/model")):
        result = neural("train", "runs/model", "--resume")
    assert result.code == 1 and "NE158" in result.err


def test_a_damaged_checkpoint_or_folder_is_named(neural, file):
    source = file(COPY)
    assert neural("train", source, *SHORT).code == 0
    path = Path("runs/model/run.json")
    path.write_text(path.read_text().replace('"finished"', '"interrupted"'))
    state = Path("runs/model/state.safetensors")
    whole = state.read_bytes()
    state.write_bytes(whole[: len(whole) // 2])
    assert "NE155" in neural("train", source, "--resume").err
    Path("runs/model/train.py").write_text("print('mine')")
    state.write_bytes(whole)
    result = neural("train", source, "--resume")
    assert result.code == 1 and "NE157" in result.err and "mine" not in result.out
    described = path.read_text()
    for damage in ("{", "", "[]", "{}", '{"source": 5, "backend": 1, "network": 2}'):
        path.write_text(damage)
        result = neural("evaluate", "runs/model")
        assert result.code == 1 and "NE156" in result.err
        assert "run.json" in result.err and "Error" not in result.err
    path.write_text(described)
    Path("runs/model/model.neural").unlink()
    result = neural("evaluate", "runs/model")
    assert "NE156" in result.err and "model.neural: no such file" in result.err
    assert "it is a file" in neural("evaluate", source).err
    assert "file name too long" in neural("generate", "a" * 300, "--prompt", "x").err
    assert "NE156" in neural("predict", "nowhere", "--prompt", "ab").err


def test_damaged_lines_of_the_metrics_are_left_out(neural, file):
    from neural_dsl.runs import metrics

    folder = Path("runs/model")
    assert neural("train", file(COPY), *SHORT).code == 0
    path = folder / "metrics.jsonl"
    whole = path.read_bytes().splitlines(keepends=True)
    damaged = [b'{"step": 1, "lo\n', b"\xff\xfe\n", b"5\n", b"{}\n", b"\n"]
    path.write_bytes(b"".join([*whole[:2], *damaged, *whole[2:], b'{"step": 9']))
    assert metrics.read(folder) == [json.loads(line) for line in whole]


def test_how_to_go_on_is_a_command_that_the_shell_takes(neural, file):
    source, folder = file(COPY), "runs/a model's run"
    process = run_neural("train", source, "--output-dir", folder)
    for line in process.stderr:
        if line.startswith("step "):
            break
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    command = shlex.split(err.split("go on with: ")[1].splitlines()[0])
    assert command[:2] == ["neural", "train"] and folder in command
    assert neural(*command[1:]).code == 0


def test_evaluation_prediction_and_the_attention_check(
    neural, file, backend, monkeypatch
):
    assert neural("train", file(COPY), "--backend", backend).code == 0
    text = neural("evaluate", "runs/model")
    assert text.code == 0 and "exact match 200/200 (100.0%)" in text.out
    assert "never trained on" in text.out
    report = json.loads(neural("evaluate", "runs/model", "--format", "json").out)
    assert report["greedy"] == {"label": "greedy", "right": 200, "count": 200}
    assert report["measures"]["exact_match"] == 1.0 and report["ceiling"] == 1.0
    assert [row["label"] for row in report["tables"]["length"]][3] == "4"
    # Copying needs attention: without it at most the commonest symbol is right.
    (check,) = report["attention"]
    assert check["attention"] == "transformer_decoder.self_attention"
    assert check["measures"]["exact_match"] < 0.1
    answers = neural("predict", "runs/model", "--prompt", "abcd:", "--prompt", "hhaa")
    assert answers.out == "abcd\nhhaa\n" and answers.err == ""
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("\ufeffbadc:\r\n\nggga\n"))
    assert neural("predict", "runs/model").out == "badc\nggga\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("badc\n\nggga\nabxd\nabcd\n"))
    # A bad prompt has an empty line, so that the n-th answer stays the n-th prompt's.
    aligned = neural("predict", "runs/model")
    assert aligned.code == 1 and aligned.out == "badc\nggga\n\nabcd\n"
    assert "'abxd' in line 4 cannot be read" in aligned.err
    wrong = neural("predict", "runs/model", "--prompt", "abcd", "--prompt", "abxd")
    assert wrong.code == 1 and wrong.out == "abcd\n\n" and "NE159" in wrong.err
    assert "NE159" in neural("predict", "runs/model", "--prompt", "abcdabcdab").err
    assert "NE160" in neural("generate", "runs/model", "--prompt", "a").err


def test_arithmetic_is_taken_apart_by_digits_and_carries(neural, file):
    text = COPY.replace(
        "Copy(length=4, vocabulary=8, ",
        'Arithmetic(operations=("add", "subtract"), max_number=30, ',
    )
    assert neural("train", file(text), *SHORT).code == 0
    report = json.loads(neural("evaluate", "runs/model", "--format", "json").out)
    labels = {
        name: [row["label"] for row in rows] for name, rows in report["tables"].items()
    }
    assert labels["position"] == ["sign", "hundreds", "tens", "units"]
    assert labels["digits"] == [
        f"{a}{s}{b}" for s in "+-" for a in (1, 2) for b in (1, 2)
    ]
    assert "digits of both numbers" in neural("evaluate", "runs/model").out
    assert set(labels["carries"]) >= {
        *("+ with 0 carries", "+ with 1 carry", "- with 0 borrows", "- with 1 borrow"),
    }
    assert report["greedy"]["right"] < 200 and report["wrong"]


def test_a_language_model_writes_text_that_the_seed_decides(neural, file):
    Path("poem.txt").write_text("the cat sat on the mat. " * 100, encoding="utf-8")
    text = COPY.replace(
        "Copy(length=4, vocabulary=8, train_size=4000, validation_size=100, test_size=200)",
        'Text(path="poem.txt", tokenizer="char", context=16)',
    )
    assert neural("train", file(text), "--set", "train.epochs=40").code == 0
    base = ("generate", "runs/model", "--prompt", "the c", "--max-tokens", "24")
    likely = neural(*base, "--temperature", "0").out
    assert likely.startswith("the cat sat on the")
    assert neural(*base, "--seed", "1").out == neural(*base, "--seed", "1").out
    assert neural(*base, "--top-k", "1", "--seed", "5").out == likely
    for no_number in ("nan", "inf"):
        result = neural(*base, "--temperature", no_number)
        assert result.code == 2 and "temperature" in result.err
    assert "NE159" in neural("generate", "runs/model", "--prompt", "Q").err
    assert "NE160" in neural("predict", "runs/model", "--prompt", "the").err
    report = json.loads(neural("evaluate", "runs/model", "--format", "json").out)
    assert report["greedy"] is None and report["ceiling"] is None
