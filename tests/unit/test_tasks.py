"""Problems are right, splits share none, and what a model reads is what people write."""

import ast
import math
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_dsl.catalogue.tasks import TASKS, task_spec
from neural_dsl.tasks.base import IGNORED, PAD
from neural_dsl.tasks.problems import draw_distinct, share_out

SPLITS = ("train", "validation", "test")
SMALL = {"train_size": 200, "validation_size": 30, "test_size": 20}
PROBLEMS = [spec for spec in TASKS.specs if "problems" in spec.modules]
SEQUENCES = ("Copy", "Reverse", "Sort", "Double", "PatternCompletion")
VARIANTS = [
    *[
        (name, options)
        for name in SEQUENCES
        for options in (
            {},
            {"length": (3, 6)},
            {"framing": True},
            {"framing": True, "length": (3, 6), "vocabulary": 30},
            {"unique": True, "length": 5, "vocabulary": 9},
            {"unique": False, "length": 6, "vocabulary": 9},
        )
    ],
    *[
        (name, {"layout": "aligned", **options})
        for name in ("Copy", "Reverse", "Sort")
        for options in ({}, {"length": (3, 6)}, {"framing": True, "length": (4, 5)})
    ],
    *[
        (
            "Arithmetic",
            {
                "operations": operations,
                "max_number": largest,
                "reverse_digits": reverse,
            },
        )
        for operations in (
            ("add",),
            ("subtract",),
            ("add", "subtract"),
            ("subtract", "add"),
        )
        for largest in (99, 250, 999)
        for reverse in (False, True)
    ],
]


def make(name, **options):
    """A live task from its catalogue name."""
    module = import_module(f"neural_dsl.tasks.{task_spec(name).modules[-1]}")
    return getattr(module, name)(**options)


def shown(task, ids):
    return [task.symbols[id] for id in ids if id not in (PAD, IGNORED)]


def expected_answer(name, prompt):
    """The answer worked out by Python itself, from the text of the prompt."""
    if name == "Arithmetic":
        left, sign, right = (
            prompt.removesuffix("=").replace("-", " - ").replace("+", " + ").split()
        )
        return str(int(left) + int(right) if sign == "+" else int(left) - int(right))
    space = " " if " " in prompt else ""
    words = (
        prompt.removesuffix(":").split() if space else list(prompt.removesuffix(":"))
    )
    answer = {
        "Copy": lambda: words,
        "Reverse": lambda: words[::-1],
        "Sort": lambda: sorted(words, key=lambda word: (len(word), word)),
        "Double": lambda: words * 2,
        "PatternCompletion": lambda: words[1:-1],
    }[name]()
    return space.join(answer)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_answers_are_those_that_python_works_out(name, options):
    task = make(name, **options, **SMALL)
    for split in SPLITS:
        for index in range(task.size(split)):
            prompt, answer = task.problem(split, index)
            assert answer == expected_answer(name, prompt)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_a_batch_is_the_encoded_prompt_and_its_answer(name, options):
    task = make(name, **options, **SMALL)
    inputs, targets = task.batch("test", np.arange(20))
    assert inputs.dtype == targets.dtype == np.int64
    assert inputs.shape == targets.shape == (20, task.max_length)
    assert inputs.min() >= 0 and inputs.max() < len(task.symbols)
    for index in range(20):
        prompt, answer = task.problem("test", index)
        encoded, ids = task.encode(prompt), targets[index][targets[index] != IGNORED]
        assert (inputs[index][: len(encoded)] == encoded).all()
        assert task.decode(ids.tolist()) == answer
        assert len(ids) == task.answer_length(prompt) or not task.causal
        ends = [task.is_end(id) for id in ids.tolist()]
        assert not any(ends[:-1]) and ends[-1] == options.get("framing", False)
        if task.causal:  # next-token targets, on the answer alone
            full = [*encoded, *ids]
            padded = full + [PAD] * (task.max_length + 1 - len(full))
            assert inputs[index].tolist() == padded[:-1]
            assert (targets[index][: len(encoded) - 1] == IGNORED).all()
            assert (
                targets[index][len(encoded) - 1 :][: len(ids)].tolist() == ids.tolist()
            )
            assert (targets[index][len(full) - 1 :] == IGNORED).all()
        else:
            assert ((targets[index] == IGNORED) == (inputs[index] == PAD)).all()


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_known_attention_points_at_what_the_answer_is_made_of(name, options):
    task = make(name, **options, **SMALL)
    inputs, targets = task.batch("test", np.arange(20))
    for index in range(20):
        prompt, _ = task.problem("test", index)
        known = task.known_attention("test", index)
        assert known == task.attention_for(prompt) and known
        for query, keys in known:
            if name == "Arithmetic":
                assert len(keys) == 2  # checked digit by digit below
            else:  # the very symbol that is to be written there
                assert {inputs[index][key] for key in keys} == {targets[index][query]}
            assert not task.causal or max(keys) <= query


@pytest.mark.parametrize("reverse", [False, True])
def test_known_attention_of_arithmetic_joins_the_digits_of_one_place(reverse):
    task = make("Arithmetic", max_number=999, reverse_digits=reverse)
    # 123+456=+0579, or +9750: digit d of the answer is the sum of both keys' digits.
    tokens = shown(task, [*task.encode("123+456=")])
    answer = list("+9750" if reverse else "+0579")
    sums = {}
    for query, keys in task.attention_for("123+456="):
        sums[query] = sum(int(tokens[key]) for key in keys)
        assert answer[query - len(tokens) + 1] == str(sums[query])
    assert sorted(sums.values()) == [5, 7, 9]


def test_copy_reverse_and_sort_attend_as_the_field_says():
    n = 8
    query = n  # the separator's position predicts the first symbol
    assert make("Copy").attention_for("abcdefgh:")[3] == (query + 3, (3,))
    assert make("Reverse").attention_for("abcdefgh:")[3] == (query + 3, (n - 1 - 3,))
    assert make("Sort").attention_for("badcfehg:")[0] == (query, (1,))
    assert make("Sort").attention_for("bab:")[1:] == [(4, (0, 2)), (5, (0, 2))]
    aligned = make("Reverse", layout="aligned").attention_for("abcd")
    assert aligned == [(k, (3 - k,)) for k in range(4)]
    induction = make("PatternCompletion").attention_for("abcda")
    assert all(keys == (q + 1 - 4,) for q, keys in induction)  # offset 1 - s


# --- splits ----------------------------------------------------------------------------


def rows(task, split):
    return {tuple(row) for row in task.problems[split].tolist()}


@settings(max_examples=40)
@given(
    vocabulary=st.integers(2, 12),
    shortest=st.integers(1, 4),
    more=st.integers(0, 3),
    unique=st.booleans(),
    seed=st.integers(0, 2**32),
    train=st.integers(1, 400),
    held_out=st.integers(1, 60),
)
def test_splits_share_no_problem_or_are_refused(
    vocabulary, shortest, more, unique, seed, train, held_out
):
    options = {
        "length": (shortest, shortest + more),
        "vocabulary": vocabulary,
        "unique": unique,
        "data_seed": seed,
        "train_size": train,
        "validation_size": held_out,
        "test_size": held_out,
    }
    if unique and shortest + more > vocabulary:
        with pytest.raises(ValueError, match="unique"):
            make("Copy", **options)
        return
    count = math.perm if unique else pow
    quarters = sum(
        count(vocabulary, n) // 4 for n in range(shortest, shortest + more + 1)
    )
    if held_out > quarters:
        with pytest.raises(ValueError, match="a quarter of the"):
            make("Copy", **options)
        return
    task = make("Copy", **options)
    dealt = {split: rows(task, split) for split in SPLITS}
    assert not dealt["train"] & dealt["validation"]
    assert not dealt["train"] & dealt["test"]
    assert not dealt["validation"] & dealt["test"]
    assert len(dealt["validation"]) == len(dealt["test"]) == held_out  # none twice
    assert task.size("train") == train
    sources = {task.problem("train", i)[0] for i in range(train)}
    assert len(sources) == len(dealt["train"])  # distinct rows are distinct problems
    if unique:
        assert all(len(set(text)) == len(text) for text in sources)


@pytest.mark.parametrize("seed", [0, 1])
def test_addition_to_99_has_no_test_problem_in_training(seed):
    task = make("Arithmetic", operations=("add",), data_seed=seed)
    texts = {
        split: [task.problem(split, i)[0] for i in range(task.size(split))]
        for split in SPLITS
    }
    assert [len(texts[split]) for split in SPLITS] == [20_000, 2_000, 1_000]
    known = set(texts["train"])
    assert not known & set(texts["validation"]) and not known & set(texts["test"])
    assert not set(texts["validation"]) & set(texts["test"])
    # Only 9,801 pairs exist: what is not held out is all seen, equally often.
    counts = [texts["train"].count(text) for text in list(known)[:200]]
    assert len(known) == 99**2 - 3_000 and set(counts) <= {2, 3}


def test_both_orders_of_a_sum_are_different_problems():
    task = make("Arithmetic", operations=("add",), max_number=99)
    held_out = {task.problem("test", i)[0] for i in range(1_000)}
    train = {task.problem("train", i)[0] for i in range(20_000)}
    turned = {"{1}+{0}=".format(*text[:-1].split("+")) for text in held_out}
    assert turned & train and turned != held_out


@pytest.mark.parametrize(
    ("name", "options"),
    [("Copy", {}), ("Sort", {"length": (2, 6)}), ("Arithmetic", {"max_number": 999})],
)
def test_held_out_problems_depend_on_the_data_seed_alone(name, options):
    one, same = make(name, **options), make(name, **options)
    for split in SPLITS:
        assert (one.problems[split] == same.problems[split]).all()
    larger = make(name, **options, train_size=60_000)
    for split in ("validation", "test"):
        assert (one.problems[split] == larger.problems[split]).all()
    other = make(name, **options, data_seed=1)
    assert rows(one, "test") != rows(other, "test")


def test_training_covers_a_small_space_evenly():
    task = make(
        "Copy",
        length=3,
        vocabulary=4,
        train_size=1_000,
        validation_size=16,
        test_size=16,
    )
    numbers = np.unique(task.problems["train"], axis=0, return_counts=True)[1]
    assert len(numbers) == 32 and numbers.max() - numbers.min() <= 1


def test_lengths_are_equally_frequent_as_far_as_there_are_problems():
    task = make("Copy", length=(1, 4), vocabulary=10)
    lengths = (task.problems["train"] >= 0).sum(axis=1)
    assert np.bincount(lengths).tolist() == [0, 5_000, 5_000, 5_000, 5_000]
    held_out = np.bincount((task.problems["test"] >= 0).sum(axis=1)).tolist()
    assert held_out == [0, 2, 25, 250, 723] and sum(held_out) == 1_000


@given(st.integers(0, 500), st.lists(st.integers(0, 200), min_size=1, max_size=6))
def test_shares_add_up_within_their_capacities(size, capacities):
    capacities.sort()  # longer problems are more numerous
    shares = share_out(size, capacities)
    assert sum(shares) == min(size, sum(capacities))
    assert all(0 <= share <= cap for share, cap in zip(shares, capacities, strict=True))


@pytest.mark.parametrize("radices", [(7, 5), (20,) * 8, (200,) * 3, (9,) * 40])
def test_drawn_rows_are_distinct_and_in_range(radices):
    drawn = draw_distinct(radices, 3_000, np.random.default_rng(0))
    assert len(drawn) == min(3_000, math.prod(radices)) == len(np.unique(drawn, axis=0))
    assert (drawn >= 0).all() and (drawn < radices).all()


def test_a_space_beyond_64_bits_is_dealt_out():
    task = make("Sort", length=30, vocabulary=40)
    assert not rows(task, "train") & rows(task, "test")
    assert len(rows(task, "train")) == 20_000


def test_unique_sources_are_uniform():
    # 4 of 6 orders of 3 symbols can be drawn each way; all of them must be reached.
    task = make(
        "Copy",
        length=3,
        vocabulary=6,
        unique=True,
        train_size=60,
        validation_size=30,
        test_size=30,
    )
    texts = {
        task.problem(split, i)[0] for split in SPLITS for i in range(task.size(split))
    }
    assert len(texts) == math.perm(6, 3)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (
            "Copy",
            {"length": 3, "vocabulary": 3, "unique": True},
            "1 can be had.*6 that exist",
        ),
        ("Arithmetic", {"max_number": 9}, "40 can be had.*162 that exist"),
        ("PatternCompletion", {"length": 1}, "nothing to go on"),
        ("Sort", {"length": 9, "vocabulary": 8, "unique": True}, "has 8"),
    ],
)
def test_what_cannot_be_dealt_out_is_refused_with_numbers(name, options, words):
    with pytest.raises(ValueError, match=words):
        make(name, **options)


# --- prompts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "prompt", "words"),
    [
        ("Arithmetic", {}, "12*3=", r"unknown symbol '\*'.*0 1 2"),
        ("Arithmetic", {}, "12", "'12' is not a problem such as 12\\+34="),
        ("Arithmetic", {}, "", "not a problem"),
        ("Arithmetic", {}, "1+2+3=", "not a problem"),
        ("Arithmetic", {}, "1 2+3=", "not a problem"),
        ("Arithmetic", {}, "123+4=", "123 is above this task's 99"),
        ("Arithmetic", {"max_number": 80}, "81+4=", "81 is above"),
        ("Arithmetic", {}, "9" * 5000 + "+1=", "above"),
        ("Arithmetic", {"operations": ("add",)}, "3-1=", "unknown symbol '-'"),
        ("Arithmetic", {"operations": ("subtract",)}, "3+1=", "such as 12-34="),
        ("Arithmetic", {}, "١+٢=", "unknown symbol"),
        ("Copy", {}, "abz:", "unknown symbol 'z'; the symbols are a to t"),
        ("Copy", {}, "abcdefghi:", "has 9 symbols; this task takes 1 to 8"),
        ("Copy", {}, ":", "has 0 symbols"),
        ("Copy", {"vocabulary": 30}, "1 31", "unknown symbol '31'.*1 to 30"),
        ("PatternCompletion", {}, "abc", "'abca'"),
        ("PatternCompletion", {"length": 4}, "abcdea", "5 symbols.*at most 4"),
    ],
)
def test_prompts_that_cannot_be_read_are_refused(name, options, prompt, words):
    with pytest.raises(ValueError, match=words):
        make(name, **options).encode(prompt)


@pytest.mark.parametrize(
    ("name", "options", "prompts"),
    [
        ("Arithmetic", {}, ["7+85=", " 7 + 85 ", "07+085="]),
        ("Copy", {}, ["abc:", "abc", " a b c "]),
        ("Copy", {"vocabulary": 30}, ["1 22 3:", "1 22 3"]),
    ],
)
def test_prompts_may_be_written_loosely(name, options, prompts):
    task = make(name, **options)
    first = task.encode(prompts[0]).tolist()
    assert all(task.encode(prompt).tolist() == first for prompt in prompts)


def test_wrong_answers_are_shown_as_they_are():
    task = make("Arithmetic")
    spell = lambda text: [task.symbols.index(symbol) for symbol in text]  # noqa: E731
    assert task.decode(spell("+046")) == "46"
    assert task.decode(spell("-004")) == "-4"
    assert task.decode(spell("-000")) == "-0"  # not the right answer of 3-3
    assert task.decode(spell("4+-=")) == "4+-="
    assert make("Arithmetic", reverse_digits=True).decode(spell("+640")) == "46"
    framed = make("Copy", framing=True)
    a, b, end = (framed.symbols.index(symbol) for symbol in ("a", "b", "END"))
    assert framed.decode([a, b, end, a]) == "ab"
    assert framed.decode([a, PAD, b, end]) == "aPADb"  # not the right answer of ab


# --- what a training script contains ---------------------------------------------------


@pytest.mark.parametrize("spec", PROBLEMS, ids=lambda spec: spec.name)
def test_the_catalogue_says_what_the_task_is(spec):
    defaults = {parameter.name: parameter.default for parameter in spec.parameters}
    variants = [{}, *(options for name, options in VARIANTS if name == spec.name)]
    if spec.name == "Arithmetic":
        variants.append({"digits": 3})
    for options in variants:
        params = {**defaults, **options}
        spec.check(params)
        params = spec.complete(params)
        task = make(spec.name, **params)
        assert list(spec.symbols(params, Path())) == task.symbols
        assert spec.vocabulary_size(params) == len(task.symbols)
        assert spec.max_length(params) == task.max_length
        assert spec.train_size(params) == task.size("train")
        assert spec.causal(params) == task.causal
        assert spec.measure == task.measure


CHOICES = {  # parameters that ask for different files
    "Text": [
        {"tokenizer": "char"},
        {"tokenizer": "bpe", "vocabulary": 300},
        {"tokenizer": "own.json"},
    ]
}
PASTED = [
    (spec, given) for spec in TASKS.specs for given in CHOICES.get(spec.name, [{}])
]


@pytest.mark.parametrize(
    ("spec", "params"), PASTED, ids=lambda each: getattr(each, "name", None)
)
def test_the_pasted_files_of_a_task_run_without_neural_dsl(spec, params):
    modules = spec.pasted(params)
    folder = Path(import_module("neural_dsl.tasks").__file__).parent
    pasted = ast.Module([], [])
    for module in modules:
        for node in ast.parse((folder / f"{module}.py").read_text("utf-8")).body:
            name = getattr(node, "module", "") or ""
            if not name.startswith(("neural_dsl", "__future__")):
                pasted.body.append(node)
            elif name.startswith("neural_dsl"):
                assert name.removeprefix("neural_dsl.tasks.") in modules
    names = {"__name__": "pasted"}
    exec(compile(ast.unparse(pasted), "pasted", "exec"), names)
    assert not any("neural_dsl" in str(value) for key, value in names.items())
    assert spec.name == "Custom" or issubclass(names[spec.name], names["Task"])
    for part in spec.parts(params).values():
        assert isinstance(names[part.name](), names["Tokenizer"]) or part.params
    assert ("Characters" in names) == (params.get("tokenizer") == "char")
    assert ("Subwords" in names) == (params.get("tokenizer", "char") != "char")
    if spec in PROBLEMS:
        assert names[spec.name]().size("test") == 1_000
