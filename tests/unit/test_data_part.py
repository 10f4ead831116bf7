"""The data part of emitted files: every example solves its problem, splits share none."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_dsl.diagnostics import NeuralError
from neural_dsl.runs.task_files import run_task
from neural_dsl.tasks import TASKS, task_spec
from neural_dsl.tasks.problems import bounds, counted, hundredth, surely
from tests.data_parts import ANSWERS, BATCH_SIZE, data_of, network_of

IGNORED, PAD = -100, 0
HELD_OUT = ("validation", "test")
SIZES = ", validation_size=60, test_size=40"


VARIANTS = [
    f"{spec.name}({example}{SIZES})"
    for spec in TASKS.specs
    for example in spec.examples
]


def texts(
    symbols: Sequence[str], causal: bool, x: np.ndarray, y: np.ndarray
) -> list[tuple[str, str]]:
    """What is asked and what is answered, in symbols with spaces between, PAD left out."""
    found = []
    for row, targets in zip(x, y, strict=True):
        asked = row[: np.flatnonzero(targets != IGNORED)[0] + 1] if causal else row
        answer = targets[targets != IGNORED]
        found.append(
            tuple(
                " ".join(symbols[i] for i in ids if i != PAD) for ids in (asked, answer)
            )
        )
    return found


def solve(task: str, asked: str) -> str:
    """The answer as Python works it out from the text of a prompt."""
    name, words = task.partition("(")[0], asked.split()
    answer = ANSWERS[name]([w for w in words if w not in (":", "START", "END")])
    if name == "Arithmetic":  # leading zeros, a sign where there may be two of them
        (result,) = answer
        digits = result.strip("-").zfill(len(words) // 2 - 1 + ("add" in task))
        digits = digits[::-1] if "reverse_digits" in task else digits
        sign = "-" if result[0] == "-" else "+"
        return " ".join(sign * ("subtract" in task) + digits)
    framed = "framing" in task
    start = ["START"] * (framed and "aligned" in task)
    return " ".join(start + answer + ["END"] * framed)


@pytest.mark.parametrize("task", VARIANTS)
def test_every_example_is_solved_and_no_split_shares_a_problem(task: str) -> None:
    network = network_of(task)
    assert network.task is not None
    data, spec = data_of(network), task_spec(network.task.name)
    longest = spec.max_length(network.task.params)
    symbols = spec.symbols(network.task.params, None)
    parts = {split: data.held_out(split) for split in HELD_OUT}
    batches = [data.batch(0, number) for number in range(3)]
    parts["train"] = tuple(np.concatenate(each) for each in zip(*batches, strict=True))
    problems = {}
    for split, (x, y) in parts.items():
        assert x.shape == y.shape == (len(x), longest)
        assert x.dtype == y.dtype == np.int64 and min(x.strides + y.strides) > 0
        padding = np.sort(x == PAD, axis=1)
        assert (padding == (x == PAD)).all(), "padding comes last"
        found = texts(symbols, "aligned" not in task, x, y)
        assert [answer for _, answer in found] == [
            solve(task, asked) for asked, _ in found
        ]
        problems[split] = [asked for asked, _ in found]
    assert len(set(problems["validation"])) == len(problems["validation"]) == 60
    assert len(set(problems["test"])) == len(problems["test"]) == 40
    for one, other in itertools.combinations(problems.values(), 2):
        assert not set(one) & set(other)


@pytest.mark.parametrize("task", VARIANTS)
def test_the_program_s_own_task_has_the_examples_of_the_file(task: str) -> None:
    network = network_of(task, rest="train { seed: 5 }")
    data, own = data_of(network), run_task(network)
    pairs = [
        *((own.batch(s, np.arange(own.size(s))), data.held_out(s)) for s in HELD_OUT),
        *(
            (
                own.batch("train", np.arange(BATCH_SIZE) + n * BATCH_SIZE),
                data.batch(5, n),
            )
            for n in (0, 3)
        ),
    ]
    for ours, theirs in pairs:
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other, strict=True)
    assert network.task is not None
    spec, params = task_spec(network.task.name), network.task.params
    assert list(own.symbols) == list(spec.symbols(params, None))
    assert own.max_length == spec.max_length(params)
    assert own.causal == spec.causal(params)
    defaults = {p.name: p.default for p in spec.parameters}
    again = type(own)(**{k: v for k, v in params.items() if v != defaults[k]})
    again.seed = 5
    theirs = data.held_out("test")
    for one, other in zip(again.batch("test", np.arange(40)), theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("task", VARIANTS[::7])
def test_examples_are_a_pure_function(task: str) -> None:
    one, again = data_of(network_of(task)), data_of(network_of(task))
    x, y = one.batch(3, 17)
    assert x.shape[0] == BATCH_SIZE
    one.batch(3, 18), one.held_out("test")
    for other in (one.batch(3, 17), again.batch(3, 17)):
        assert (other[0] == x).all() and (other[1] == y).all()
    for seed, number in ((3, 18), (4, 17)):
        assert (one.batch(seed, number)[0] != x).any()
    assert (one.held_out("test")[0] == again.held_out("test")[0]).all()


def test_other_data_seeds_hold_out_other_problems() -> None:
    found = [
        {row.tobytes() for row in data_of(network_of(task)).held_out("test")[0]}
        for task in (f"Arithmetic(max_number=99, data_seed={s})" for s in range(4))
    ]
    for one, other in itertools.combinations(found, 2):
        assert 0 < len(one & other) < 200  # by chance about 1,000 · 7%


def test_lengths_are_equally_frequent_in_training() -> None:
    data = data_of(network_of("Copy(length=(1, 4), vocabulary=10)"))
    lengths = np.concatenate(
        [(data.batch(0, n)[1] != IGNORED).sum(axis=1) for n in range(100)]
    )
    counts = np.bincount(lengths)[1:] / len(lengths)
    assert abs(counts - 1 / 4).max() < 0.04


@settings(max_examples=50, deadline=None)
@given(
    vocabulary=st.integers(1, 6),
    length=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
    held_out=st.integers(1, 60),
)
def test_small_spaces_are_refused_or_give_what_was_asked_for(
    vocabulary: int, length: int, seed: int, held_out: int
) -> None:
    task = (
        f"Copy(length={length}, vocabulary={vocabulary}, data_seed={seed}, "
        f"validation_size={held_out}, test_size={held_out})"
    )
    try:
        data = data_of(network_of(task))
    except NeuralError as error:
        assert error.diagnostics[0].code == "NE074"
        return
    train = {row.tobytes() for n in range(3) for row in data.batch(0, n)[0]}
    for split in HELD_OUT:
        rows = {row.tobytes() for row in data.held_out(split)[0]}
        assert len(rows) == held_out and not rows & train


# --- the hash --------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 10**18), min_size=1, max_size=40),
    st.integers(0, 2**32 - 1),
)
def test_python_and_numpy_hash_alike(problem: list[int], seed: int) -> None:
    data = data_of(network_of(f"Copy(data_seed={seed})"))
    x = np.array([problem])
    with np.errstate(all="ignore"):
        code = x @ data.HASH ** np.arange(1, len(problem) + 1)
        code = ((code ^ code >> 32) * data.HASH >> 40) % 100
    assert code.tolist() == [hundredth(problem, seed)]


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_the_hash_scatters_evenly_and_without_a_pattern(seed: int) -> None:
    side = 99
    found = np.array(
        [hundredth(p, seed) for p in itertools.product(range(1, side + 1), repeat=2)]
    )
    counts = np.bincount(found, minlength=100)  # 98 each, by chance ± 10
    assert abs(counts - 98).max() < 50
    taken = (found < 10).reshape(side, side) - 0.1
    spectrum = abs(np.fft.fft2(taken)) ** 2  # a pattern would be a peak
    correlation = np.fft.ifft2(spectrum).real / (taken**2).sum()
    assert abs(correlation.flat[1:]).max() < 0.06


@given(st.integers(1, 2**62), st.integers(1, 5000), st.integers(1, 5000))
def test_shares_suffice_where_anything_does(
    total: int, validation: int, test: int
) -> None:
    sizes = {"validation": validation, "test": test}
    found = bounds(sizes, total)
    assert found["test"][1] == found["validation"][0]
    assert found["validation"][1] == found["train"][0] <= 60
    for split, size in sizes.items():
        first, end = found[split]
        assert 5 <= end - first <= 30
        assert surely(total, end - first) >= size or end - first == 30


def test_arithmetic_promises_no_more_than_there_is() -> None:
    numbers = range(1, 100)
    for seed in range(8):
        within = bounds({"validation": 2000, "test": 1000}, 99**2)
        there = counted(itertools.product(numbers, numbers), seed, within)
        for split, (first, end) in within.items():
            assert there[split] >= surely(99**2, end - first)
