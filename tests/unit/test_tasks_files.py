"""Tasks whose examples come from files, and tasks written into files."""

import json
import tracemalloc

import numpy as np
import pytest

from neural_dsl.catalogue.spec import LayerProblem
from neural_dsl.cli.data import split_text
from neural_dsl.diagnostics import NeuralError
from neural_dsl.resolve.network import resolve
from neural_dsl.runs.task_files import run_task
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse
from neural_dsl.tasks import task_spec
from neural_dsl.tasks.arrays import convert, read_arrays
from neural_dsl.tasks.custom import read_custom
from neural_dsl.tasks.reading import ArrayHeader, array_headers
from tests.data_parts import network_of, task_of

STEPS = "train { steps: 5 }"
SPLITS = ("train", "validation", "test")

LINES = "".join(
    f"{n} foxes jump over the lazy dog → {n * n} ümlauts\n" for n in range(600)
)


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(LINES, encoding="utf-8")
    return path


# --- text -------------------------------------------------------------------------------

TOKENIZERS = ({}, {"tokenizer": "bpe", "vocabulary": 300})


def text_task(folder, **options):
    return task_of("Text", folder, STEPS, path="text.txt", **{"context": 16, **options})


@pytest.mark.parametrize("options", TOKENIZERS)
def test_what_is_held_out_of_a_text_comes_window_after_window(text_file, options):
    pytest.importorskip("tokenizers")
    task = text_task(text_file.parent, **options)
    assert "".join(task.text_of(split) for split in SPLITS) == LINES
    assert len(task.text_of("train")) == len(LINES) * 18 // 20
    for split in SPLITS[1:]:
        size = task.size(split)
        inputs, targets = task.batch(split, np.arange(size))
        assert inputs.shape == targets.shape == (size, 16) and inputs.min() > 0
        assert inputs.dtype == targets.dtype == np.int64
        assert (inputs[:, 1:] == targets[:, :-1]).all()
        assert (inputs[1:, 0] == targets[:-1, -1]).all()
        assert task.text_of(split).startswith(
            task.decode(inputs.flatten().tolist())[:-2]
        )
        prompt, rest = task.problem(split, 0)
        assert (prompt + rest)[:-2] in task.text_of(split)
        assert prompt and rest


@pytest.mark.parametrize("options", TOKENIZERS)
def test_training_reads_windows_from_anywhere(text_file, options):
    pytest.importorskip("tokenizers")
    task = text_task(text_file.parent, **options)
    inputs, targets = task.batch("train", np.arange(200))
    assert inputs.shape == targets.shape == (200, 16)
    assert (inputs[:, 1:] == targets[:, :-1]).all()
    text = task.text_of("train")
    assert all(task.decode(row.tolist()[1:-1]) in text for row in inputs)
    # A window is a function of its number alone: so a training goes on as if never left.
    later, _ = text_task(text_file.parent, **options).batch("train", np.arange(7, 200))
    np.testing.assert_array_equal(later, inputs[7:])


def test_every_phase_of_a_text_of_lines_is_seen(tmp_path):
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY\n"
    (tmp_path / "text.txt").write_text(alphabet * 200, encoding="utf-8")
    task = text_task(tmp_path, context=32)
    seen = {int(row[0]) for row in task.batch("train", np.arange(2000))[0]}
    assert (
        len(alphabet) == 52 and len(seen) == 52
    )  # fixed windows begin with 13 of them


def test_the_symbols_of_characters_are_the_text_s_own_in_order(text_file):
    task = text_task(text_file.parent)
    assert task.symbols == ["PAD", *sorted(set(LINES))]
    assert task.decode(task.encode("lazy → dog").tolist()) == "lazy → dog"
    assert task.answer_length("lazy") == 12


def test_subwords_are_learnt_from_the_training_part_and_can_be_stored(text_file):
    pytest.importorskip("tokenizers")
    folder = text_file.parent
    task = text_task(folder, tokenizer="bpe", vocabulary=300)
    assert len(task.symbols) == 301 and task.symbols[0] == "PAD"
    assert " fox" in "".join(task.symbols) and "Ġ" not in "".join(task.symbols)
    task.tokenizer.save(str(folder / "tokenizer.json"))
    again = text_task(folder, tokenizer="tokenizer.json")
    assert again.symbols == task.symbols
    assert again.encode("dog → ü").tolist() == task.encode("dog → ü").tolist()
    for split in SPLITS[1:]:
        assert (again.data.tokens(split) == task.data.tokens(split)).all()
    other = text_task(folder, tokenizer="bpe", vocabulary=300)
    other.tokenizer.save(str(folder / "other.json"))
    assert json.loads((folder / "other.json").read_text("utf-8")) == json.loads(
        (folder / "tokenizer.json").read_text("utf-8")
    )


def test_a_tokenizer_that_only_the_library_refuses_is_refused_in_words(text_file):
    pytest.importorskip("tokenizers")
    folder = text_file.parent
    model = {"type": "BPE", "vocab": {each: i for i, each in enumerate("abc")}}
    added = [{"content": "<s>", "id": 3}]
    content = json.dumps({"model": model, "added_tokens": added})
    (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(NeuralError, match="json` is no tokenizer"):
        text_task(folder, tokenizer="tokenizer.json")


@pytest.mark.parametrize("tokenizer", ["char", "bpe", "tokenizer.json"])
def test_the_compiler_counts_the_tokens_of_a_text_as_the_task_does(
    text_file, tokenizer
):
    pytest.importorskip("tokenizers")
    folder = text_file.parent
    bpe = {"tokenizer": "bpe", "vocabulary": 300}
    text_task(folder, **bpe).tokenizer.save(str(folder / "tokenizer.json"))
    task = text_task(
        folder, **(bpe if tokenizer == "bpe" else {"tokenizer": tokenizer})
    )
    spec, params = task_spec("Text"), task.params
    assert spec.vocabulary_size(params, folder) == len(task.symbols)
    assert spec.max_length(params, folder) == task.max_length == 16
    assert spec.causal(params) and task.causal and spec.measure == task.measure
    assert spec.train_size(params, folder) in (task.size("train"), None)
    if tokenizer == "char":
        assert list(spec.symbols(params, folder)) == task.symbols


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"ab\xff\xfe", "not a text in UTF-8"),
        (b"\x7fELF\0\0" * 50, "is no text"),
        (b"short", "too short"),
    ],
)
def test_files_that_are_no_text_to_learn_from_are_refused(tmp_path, content, words):
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(NeuralError, match=words):
        text_task(tmp_path)


@pytest.mark.parametrize("ends", [b"\r\n", b"\r", b"\n"])
def test_a_byte_order_mark_and_kinds_of_line_ends_are_no_characters(tmp_path, ends):
    (tmp_path / "text.txt").write_bytes(
        b"\xef\xbb\xbf" + (b"one" + ends + b"two" + ends) * 100
    )
    task = text_task(tmp_path)
    assert task.symbols == ["PAD", *sorted("\nentow")]
    assert task.data.tokens("train").max() == len(task.symbols) - 1


def test_prompts_of_a_text_model_are_checked(text_file):
    task = text_task(text_file.parent)
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
    with pytest.raises(
        NeuralError, match=r"gives [\d,]+ tokens, not 90,000: set vocab"
    ):
        text_task(text_file.parent, tokenizer="bpe", vocabulary=90_000)
    with pytest.raises(NeuralError, match="is no tokenizer"):
        text_task(text_file.parent, tokenizer="text.txt")


def test_a_part_of_fewer_tokens_than_a_window_is_refused(text_file):
    pytest.importorskip("tokenizers")
    with pytest.raises(NeuralError, match="its validation part has"):
        text_task(text_file.parent, tokenizer="bpe", vocabulary=300, context=1200)


# --- arrays -----------------------------------------------------------------------------


def arrays_task(folder, inputs="input: (4,)", loss="", data_seed=0, **arrays):
    np.savez(folder / "train.npz", **arrays)
    network = network_of(
        f'Arrays("train.npz", data_seed={data_seed})',
        folder,
        f"{inputs} {loss}",
        "Output(3)",
    )
    return run_task(network)


def examples(n=100, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 4)), rng.integers(0, 3, size=n)


def inputs_of(task, split):
    return task.batch(split, np.arange(task.size(split)))[0]


def test_examples_are_held_out_and_every_one_stays(tmp_path):
    x, y = examples()
    task = arrays_task(tmp_path, x=x, y=y)
    assert [task.size(split) for split in SPLITS] == [80, 10, 10]
    assert task.measure == "accuracy" and not task.causal
    found = {}
    for split in SPLITS:
        inputs, labels = task.batch(split, np.arange(task.size(split)))
        assert inputs.dtype == np.float32 and labels.dtype == np.int64
        for row, label in zip(inputs, labels, strict=True):
            assert found.setdefault(row.tobytes(), label) == label
    assert found == {
        row.tobytes(): label for row, label in zip(x.astype(np.float32), y, strict=True)
    }
    same = arrays_task(tmp_path, x=x, y=y)
    other = arrays_task(tmp_path, data_seed=1, x=x, y=y)
    assert (inputs_of(same, "test") == inputs_of(task, "test")).all()
    assert (inputs_of(other, "test") != inputs_of(task, "test")).any()


def test_every_epoch_has_every_example_once_in_another_order(tmp_path):
    x, y = examples(95)
    task = arrays_task(tmp_path, x=x, y=y)
    task.data.BATCH_SIZE = 16
    epochs = [
        np.concatenate([task.data.batch(0, 5 * epoch + n)[0] for n in range(5)])
        for epoch in range(2)
    ]
    known = {row.tobytes() for row in inputs_of(task, "train")}
    for epoch in epochs:
        assert len(epoch) == 77 and {row.tobytes() for row in epoch} == known
    assert (epochs[0] != epochs[1]).any()


def test_equal_examples_stay_in_one_split(tmp_path):
    x = np.repeat(np.arange(20.0)[:, None], 5, axis=0)
    task = arrays_task(tmp_path, "input: (1,)", x=x, y=np.arange(100) % 3)
    held = [set(inputs_of(task, split).flatten()) for split in SPLITS]
    assert sum(map(len, held)) == 20 and len(set.union(*held)) == 20


def test_held_out_arrays_of_the_file_are_used_as_they_are(tmp_path):
    (x, y), (x2, y2) = examples(), examples(7, seed=1)
    task = arrays_task(tmp_path, x=x, y=y, x_validation=x2, y_validation=y2)
    assert (task.batch("validation", np.arange(7))[1] == y2).all()
    assert [task.size(split) for split in SPLITS] == [90, 7, 10]
    task = arrays_task(tmp_path, x=x, y=y, x_validation=x2, y_validation=y2, x_test=x2, y_test=y2)  # fmt: skip
    assert [task.size(split) for split in SPLITS] == [100, 7, 7]


def test_several_inputs_ids_and_values_to_come_close_to(tmp_path):
    image, _ = examples(30)
    words = np.arange(30 * 6).reshape(30, 6)
    np.savez(tmp_path / "train.npz", image=image, words=words, y=np.linspace(0, 1, 30))
    source = """network N {
      task: Arrays("train.npz")
      input: {image: (4,), words: (6,)}
      layers:
        words: { Embedding(input_dim=200, output_dim=8) Flatten() }
        image: { Dense(4) }
        Concatenate()
        Output(1)
      loss: "mse"
    }"""
    network = resolve(parse(Source(str(tmp_path / "n.neural"), source)))[0]
    task = run_task(network)
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
    with pytest.raises(NeuralError, match=words):
        arrays_task(tmp_path, **{k: v for k, v in arrays.items() if v is not None})


def test_token_ids_must_be_whole_numbers_of_one_row_each():
    numbers = np.linspace(0, 1, 100)
    with pytest.raises(ValueError, match="`x` must hold whole numbers, not float64"):
        convert("x", numbers, whole=True)


def test_files_that_are_no_arrays_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match=r"not a \.npz file"):
        read_arrays(path)
    path.write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(ValueError, match="cannot be read"):
        read_arrays(path)
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "none.npz")


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


def own_task(folder, text, rows=4):
    (folder / "own.py").write_text(text)
    layers = f"input: ({rows},) layers: Embedding(3, 4) Flatten() Output(2)"
    source = f'network N {{ task: Custom("own.py") {STEPS} {layers} }}'
    return run_task(resolve(parse(Source(str(folder / "n.neural"), source)))[0])


def test_a_task_of_one_s_own_is_made_from_its_file(tmp_path):
    task = own_task(tmp_path, PARITY)
    inputs, targets = task.batch("train", np.array([7, 8]))
    assert inputs.tolist() == [[2, 2, 2, 1], [1, 1, 1, 2]]
    assert targets.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def broken(:", "line 1"),
        ("x = 1", "it defines 0"),
        ("class A(B): ...\nclass B(A): ...", "it defines 0"),  # nobody's file, but read
        (PARITY + PARITY.replace("Parity", "Other"), "it defines 2: Parity, Other"),
        (
            PARITY.replace("import numpy as np", "import nothing_of_this_name"),
            "fails: Mod",
        ),
        (PARITY.replace("    max_length = 4\n", ""), "lacks max_length"),
        (PARITY.replace("def batch", "def bunch"), "lacks batch"),
        (
            PARITY.replace("max_length = 4", "max_length = 99"),
            "`max_length` of Parity in .* is 99, and the model reads 4",
        ),
    ],
)
def test_files_that_are_no_task_are_refused(tmp_path, text, words):
    with pytest.raises(NeuralError, match=words):
        own_task(tmp_path, text)


def test_a_task_on_ours_may_have_more_symbols_than_letters(tmp_path):
    text = """from neural_dsl.tasks.sequences import Copy
class Own(Copy):
    measure = "accuracy"
    def __init__(self):
        super().__init__(2, 30, layout="aligned", validation_size=50, test_size=50)
"""
    assert own_task(tmp_path, text, rows=2).symbols[30] == "30"


# --- text files of a task ---------------------------------------------------------------


def test_splits_are_written_a_problem_a_line():
    sizes = {"train_size": 500, "validation_size": 50, "test_size": 40}
    task = task_of("Arithmetic", max_number=99, reverse_digits=True, **sizes)
    lines = {split: split_text(task, split).splitlines() for split in SPLITS}
    assert [len(lines[split]) for split in SPLITS] == [500, 50, 40]
    for line in (line for each in lines.values() for line in each):
        problem, answer = line.split("=")
        assert str(eval(problem)) == answer  # natural digits, no zeros in front
    assert not set(lines["train"]) & set(lines["test"])
    assert any("=-" in line for line in lines["train"])


def test_words_of_several_letters_keep_their_spaces():
    task = task_of("Copy", length=3, vocabulary=30, train_size=9, validation_size=9, test_size=9)  # fmt: skip
    for line in split_text(task, "validation").splitlines():
        source, answer = line.split(":")
        assert source == answer and len(source.split(" ")) == 3


def test_a_text_is_written_part_by_part(text_file):
    task = text_task(text_file.parent)
    assert "".join(split_text(task, split) for split in SPLITS) == LINES


def test_the_headers_of_an_archive_are_read_without_its_arrays(tmp_path):
    np.savez(tmp_path / "big.npz", x=np.zeros((2**20, 8)), y=np.zeros(2**20, dtype=int))
    tracemalloc.start()
    try:
        found = array_headers("big.npz", tmp_path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found["x"] == ArrayHeader((2**20, 8), whole=False)
    assert found["y"] == ArrayHeader((2**20,), whole=True)
    assert most < 2**20


@pytest.mark.parametrize("damage", ["nothing", "cut", "header", "member"])
def test_what_is_no_archive_of_arrays_is_refused(tmp_path, damage):
    np.savez_compressed(tmp_path / "x.npz", x=np.arange(9))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    begins = 30 + int.from_bytes(content[26:28], "little")
    begins += int.from_bytes(content[28:30], "little")  # where x.npy's bytes stand
    if damage == "nothing":
        content = bytearray()
    elif damage == "cut":
        content = content[:-30]
    elif damage == "header":
        content[:4] = b"\0" * 4
    else:
        content[begins : begins + 20] = b"\xff" * 20
    (tmp_path / "x.npz").write_bytes(bytes(content))
    with pytest.raises(LayerProblem, match=r"no \.npz file"):
        array_headers("x.npz", tmp_path)


# --- a task of the user's own -----------------------------------------------------------


@pytest.mark.parametrize(
    "line, measure",
    [
        ('measure = "loss"', "loss"),
        ('measure: str = "accuracy"', "accuracy"),
        ("measure: str", "exact_match"),
        ("measure = property(str)", None),
        ("def measure(self): ...", "exact_match"),
        ("is_three = 3 is 3", "exact_match"),  # Python warns, `check` says nothing
    ],
)
def test_a_measure_is_what_the_class_sets_it_to(line, measure, recwarn):
    text = f"from neural_dsl.tasks.base import Task\nclass Own(Task):\n    {line}\n"
    if measure is None:
        with pytest.raises(ValueError, match="`measure` of Own must be"):
            read_custom(text)
    else:
        assert read_custom(text).measure == measure
    assert not recwarn.list
