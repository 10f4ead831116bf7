"""Tasks whose examples come from files, and tasks written into files."""

import json

import numpy as np
import pytest

from neural_dsl.catalogue.tasks import task_spec
from neural_dsl.diagnostics import NeuralError
from neural_dsl.tasks.arithmetic import Arithmetic
from neural_dsl.tasks.arrays import Arrays
from neural_dsl.tasks.characters import Characters
from neural_dsl.tasks.copy_task import Copy
from neural_dsl.tasks.custom import load_custom, trusted_task
from neural_dsl.tasks.files import write_splits
from neural_dsl.tasks.subwords import Subwords
from neural_dsl.tasks.text import Text

LINES = "".join(
    f"{n} foxes jump over the lazy dog → {n * n} ümlauts\n" for n in range(600)
)


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(LINES, encoding="utf-8")
    return path


# --- text -------------------------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", [Characters, lambda: Subwords(vocabulary=300)])
def test_windows_of_a_text_tile_it_and_targets_are_what_follows(text_file, tokenizer):
    pytest.importorskip("tokenizers")
    task = Text(str(text_file), tokenizer(), context=16)
    joined = ""
    for split in ("train", "validation", "test"):
        size = task.size(split)
        inputs, targets = task.batch(split, np.arange(size))
        assert inputs.shape == targets.shape == (size, 16) and inputs.min() > 0
        assert inputs.dtype == targets.dtype == np.int64
        assert (inputs[:, 1:] == targets[:, :-1]).all()
        assert (inputs[1:, 0] == targets[:-1, -1]).all()
        assert task.texts[split].startswith(task.decode(inputs.flatten().tolist())[:-2])
        joined += task.texts[split]
        prompt, rest = task.problem(split, 0)
        assert (prompt + rest)[:-2] in task.texts[split]
        assert prompt and rest
    assert joined == LINES  # held out is the end, and nothing stands in two parts
    assert len(task.texts["train"]) == len(LINES) * 18 // 20


def test_the_symbols_of_characters_are_the_text_s_own_in_order(text_file):
    task = Text(str(text_file), Characters(), context=16)
    assert task.symbols == ["PAD", *sorted(set(LINES))]
    assert task.decode(task.encode("lazy → dog").tolist()) == "lazy → dog"
    assert task.answer_length("lazy") == 12


def test_subwords_are_learnt_from_the_training_part_and_can_be_stored(
    text_file, tmp_path
):
    pytest.importorskip("tokenizers")
    task = Text(str(text_file), Subwords(vocabulary=300), context=16)
    assert len(task.symbols) == 301 and task.symbols[0] == "PAD"
    assert " fox" in "".join(task.symbols) and "Ġ" not in "".join(task.symbols)
    task.tokenizer.save(str(tmp_path / "tokenizer.json"))
    stored = Subwords(file=str(tmp_path / "tokenizer.json"))
    again = Text(str(text_file), stored, context=16)
    assert again.symbols == task.symbols
    assert again.encode("dog → ü").tolist() == task.encode("dog → ü").tolist()
    other = Text(str(text_file), Subwords(vocabulary=300), context=16)
    other.tokenizer.save(str(tmp_path / "other.json"))
    assert json.loads((tmp_path / "other.json").read_text("utf-8")) == json.loads(
        (tmp_path / "tokenizer.json").read_text("utf-8")
    )


@pytest.mark.parametrize("tokenizer", ["char", "bpe", "tokenizer.json"])
def test_the_compiler_counts_the_tokens_of_a_text_as_the_task_does(
    text_file, tmp_path, tokenizer
):
    pytest.importorskip("tokenizers")
    Text(str(text_file), Subwords(vocabulary=300), 16).tokenizer.save(
        str(tmp_path / "tokenizer.json")
    )
    spec = task_spec("Text")
    params = {"path": "text.txt", "tokenizer": tokenizer, "context": 16}
    params["vocabulary"] = 300 if tokenizer == "bpe" else None
    params = dict(spec.complete(params))
    part = spec.parts(params)["tokenizer"]
    path = {"file": str(tmp_path / "tokenizer.json")} if "file" in part.params else {}
    made = {"Characters": Characters, "Subwords": Subwords}[part.name]
    task = Text(str(text_file), made(**{**part.params, **path}), context=16)
    assert spec.vocabulary_size(params, tmp_path) == len(task.symbols)
    assert spec.max_length(params, tmp_path) == task.max_length == 16
    assert spec.causal(params) and task.causal and spec.measure == task.measure
    assert spec.train_size(params, tmp_path) in (task.size("train"), None)
    if tokenizer == "char":
        assert list(spec.symbols(params, tmp_path)) == task.symbols


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"ab\xff\xfe", "not a text in UTF-8: the byte at 2 is 0xff"),
        (b"\x7fELF\0\0" * 50, "binary file"),
        (b"short", r"too short for context=16: its train part has 4 tokens"),
    ],
)
def test_files_that_are_no_text_to_learn_from_are_refused(tmp_path, content, words):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        Text(str(path), Characters(), context=16)


def test_a_byte_order_mark_and_windows_line_ends_are_no_characters(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbf" + b"one\r\ntwo\r\n" * 100)
    assert Text(str(path), Characters(), context=16).symbols == [
        "PAD",
        *sorted("\nentow"),
    ]


def test_prompts_of_a_text_model_are_checked(text_file):
    task = Text(str(text_file), Characters(), context=16)
    with pytest.raises(
        ValueError, match="the character '§' is not in the training text"
    ):
        task.encode("§5")
    with pytest.raises(
        ValueError, match="the prompt has 17 tokens; the model reads 1 to 16"
    ):
        task.encode("fox fox fox fox f")
    with pytest.raises(ValueError, match="has 0 tokens"):
        task.encode("")


def test_a_vocabulary_that_a_text_cannot_fill_is_refused_with_what_it_can(text_file):
    pytest.importorskip("tokenizers")
    with pytest.raises(ValueError, match=r"gives (\d+) tokens, not 90,000: set vocab"):
        Text(str(text_file), Subwords(vocabulary=90_000), context=16)
    with pytest.raises(ValueError, match=r"is not a tokenizer\.json"):
        Text(str(text_file), Subwords(str(text_file)), context=16)


# --- arrays -----------------------------------------------------------------------------


def save(tmp_path, **arrays):
    path = tmp_path / "train.npz"
    np.savez(path, **arrays)
    return str(path)


def examples(n=100, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 4)), rng.integers(0, 3, size=n)


def test_examples_are_held_out_and_every_one_stays(tmp_path):
    x, y = examples()
    task = Arrays(save(tmp_path, x=x, y=y))
    assert [task.size(s) for s in ("train", "validation", "test")] == [80, 10, 10]
    assert task.measure == "accuracy" and not task.causal
    found = {}
    for split in ("train", "validation", "test"):
        inputs, labels = task.batch(split, np.arange(task.size(split)))
        assert inputs.dtype == np.float32 and labels.dtype == np.int64
        for row, label in zip(inputs, labels, strict=True):
            assert found.setdefault(row.tobytes(), label) == label
    assert found == {
        row.tobytes(): label for row, label in zip(x.astype(np.float32), y, strict=True)
    }
    same, other = Arrays(task.path), Arrays(task.path, data_seed=1)
    assert (same.examples["test"]["x"] == task.examples["test"]["x"]).all()
    assert (other.examples["test"]["x"] != task.examples["test"]["x"]).any()


def test_equal_examples_stay_in_one_split(tmp_path):
    x = np.repeat(np.arange(20.0)[:, None], 5, axis=0)
    task = Arrays(save(tmp_path, x=x, y=np.arange(100)))
    held = [
        set(task.examples[s]["x"].flatten()) for s in ("train", "validation", "test")
    ]
    assert sum(map(len, held)) == 20 and len(set.union(*held)) == 20


def test_held_out_arrays_of_the_file_are_used_as_they_are(tmp_path):
    (x, y), (x2, y2) = examples(), examples(7, seed=1)
    task = Arrays(save(tmp_path, x=x, y=y, x_validation=x2, y_validation=y2))
    assert (task.examples["validation"]["y"] == y2).all()
    assert task.size("test") == 10 and task.size("train") == 90


def test_several_inputs_ids_and_values_to_come_close_to(tmp_path):
    image, _ = examples(30)
    text = np.arange(30 * 6).reshape(30, 6)
    path = save(tmp_path, image=image, text=text, y=np.linspace(0, 1, 30))
    task = Arrays(path, inputs=("image", "text"), ids=("text",))
    (images, ids), y = task.batch("train", np.array([3, 1]))
    assert images.dtype == y.dtype == np.float32 and ids.dtype == np.int64
    assert ids.shape == (2, 6) and task.max_length == 6 and task.measure == "loss"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": None}, "has no `x`; it holds `y`"),
        ({"y": np.arange(99)}, "number of examples: `x` 100, `y` 99"),
        ({"x": np.array(["a"] * 100)}, "`x` must hold numbers, not <U1"),
        ({"x": np.full((100, 4), np.nan)}, r"`x` holds nan at \(0, 0\)"),
        ({"x": np.zeros((0, 4)), "y": np.zeros(0)}, "`x` holds no examples"),
        ({"y": np.array([object()] * 100)}, "Python objects"),
        ({"x": np.zeros((100, 4))}, "has 1 different example: too few"),
        ({"x_test": np.zeros((5, 3)), "y_test": np.zeros(5, int)}, "`x_test` .* match"),
        ({"x_test": np.zeros((5, 4))}, "has no `y_test`"),
        ({"x_test": np.zeros((5, 4)), "y_test": np.zeros(5)}, "`y_test` .* float32"),
        ({"y": np.arange(100) * 1j}, "`y` must hold numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, change, words):
    x, y = examples()
    arrays = {"x": x, "y": y, **change}
    path = save(tmp_path, **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(ValueError, match=words):
        Arrays(path)


def test_token_ids_must_be_whole_numbers_of_one_row_each(tmp_path):
    x, y = examples()
    with pytest.raises(ValueError, match="`x` must hold whole numbers, not float64"):
        Arrays(save(tmp_path, x=x, y=y), ids=("x",))
    with pytest.raises(ValueError, match=r"must be \(examples, length\), not \(100,\)"):
        Arrays(save(tmp_path, x=np.arange(100), y=y), ids=("x",))


def test_files_that_are_no_arrays_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match=r"not a \.npz file"):
        Arrays(str(path))
    path.write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(ValueError, match="cannot be read"):
        Arrays(str(path))
    with pytest.raises(FileNotFoundError):
        Arrays(str(tmp_path / "none.npz"))


# --- a task of one's own ----------------------------------------------------------------

PARITY = '''
import numpy as np
from neural_dsl.tasks.base import Task

class Parity(Task):
    """Whether a row of bits holds an odd number of ones."""
    symbols = ["PAD", "0", "1"]
    max_length = 4
    causal = False
    def size(self, split):
        return 8
    def batch(self, split, indices):
        bits = indices[:, None] >> np.arange(4) & 1
        return bits + 1, bits.sum(axis=1) % 2
'''


def test_a_task_of_one_s_own_is_made_from_its_file(tmp_path):
    path = tmp_path / "parity.py"
    path.write_text(PARITY)
    task = trusted_task(path, trust=True)
    inputs, targets = task.batch("train", np.array([7, 8]))
    assert inputs.tolist() == [[2, 2, 2, 1], [1, 1, 1, 2]] and targets.tolist() == [
        1,
        1,
    ]


def test_no_code_runs_without_trust(tmp_path):
    path, proof = tmp_path / "bad.py", tmp_path / "ran"
    path.write_text(f"open({str(proof)!r}, 'w')\n{PARITY}")
    with pytest.raises(NeuralError) as refused:
        trusted_task(path, trust=False)
    assert refused.value.diagnostics[0].code == "NE163"
    assert not proof.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def broken(:", "line 1"),
        ("x = 1", "it defines 0"),
        (PARITY + PARITY.replace("Parity", "Other"), "it defines 2: Parity, Other"),
        (
            PARITY.replace("import numpy as np", "import nothing_of_this_name"),
            "fails: Mod",
        ),
        (PARITY.replace("    max_length = 4\n", ""), "lacks max_length"),
        (PARITY.replace("def batch", "def bunch"), "lacks batch"),
    ],
)
def test_files_that_are_no_task_are_refused(tmp_path, text, words):
    path = tmp_path / "own.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        load_custom(path)


# --- text files of a task ---------------------------------------------------------------


def test_splits_are_written_a_problem_a_line(tmp_path):
    sizes = {"train_size": 500, "validation_size": 50, "test_size": 40}
    task = Arithmetic(max_number=99, reverse_digits=True, **sizes)
    paths = write_splits(task, tmp_path / "data")
    assert [path.name for path in paths] == ["test.txt", "train.txt", "val.txt"]
    lines = {path.stem: path.read_text("utf-8").splitlines() for path in paths}
    assert {name: len(each) for name, each in lines.items()} == {
        "train": 500,
        "val": 50,
        "test": 40,
    }
    for line in (line for each in lines.values() for line in each):
        problem, answer = line.split("=")
        assert str(eval(problem)) == answer  # natural digits, no zeros in front
    assert not set(lines["train"]) & set(lines["test"])
    assert any("=-" in line for line in lines["train"])


def test_words_of_several_letters_keep_their_spaces(tmp_path):
    task = Copy(length=3, vocabulary=30, train_size=9, validation_size=9, test_size=9)
    write_splits(task, tmp_path)
    for line in (tmp_path / "val.txt").read_text("utf-8").splitlines():
        source, answer = line.split(":")
        assert source == answer and len(source.split(" ")) == 3


def test_a_text_is_written_part_by_part(text_file, tmp_path):
    write_splits(Text(str(text_file), Characters(), context=16), tmp_path / "data")
    parts = [
        (tmp_path / "data" / f"{n}.txt").read_text("utf-8")
        for n in ("train", "val", "test")
    ]
    assert "".join(parts) == LINES


def test_examples_without_a_text_form_are_refused_and_nothing_is_written(tmp_path):
    x, y = examples()
    task = Arrays(save(tmp_path, x=x, y=y))
    with pytest.raises(NeuralError) as refused:
        write_splits(task, tmp_path / "data")
    assert refused.value.diagnostics[0].code == "NE153"
    assert not (tmp_path / "data").exists()
