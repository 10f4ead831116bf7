"""Prompts and answers are those of the examples, and what a model reads is what people write."""

from functools import cache

import numpy as np
import pytest

from neural_dsl.runs.task_files import run_task
from neural_dsl.tasks import TASKS
from neural_dsl.tasks.base import IGNORED, PAD
from tests.data_parts import ANSWERS, network_of, task_of

SPLITS = ("train", "validation", "test")
SMALL = "train_size=80, validation_size=30, test_size=20"
VARIANTS = [(spec.name, each) for spec in TASKS.specs for each in spec.examples][::3]


@cache
def small(name, example):
    """A task with few examples, made once for all who look at it."""
    return run_task(network_of(f"{name}({example}, {SMALL})"))


def shown(task, ids):
    return [task.symbols[id] for id in ids if id not in (PAD, IGNORED)]


def expected_answer(name, prompt):
    """The answer worked out by Python itself, from the text of the prompt."""
    prompt, space = prompt.removesuffix(":"), " " * (" " in prompt)
    return space.join(ANSWERS[name](prompt.split() if space else [*prompt]))


@pytest.mark.parametrize(("name", "example"), VARIANTS)
def test_answers_are_those_that_python_works_out(name, example):
    task = small(name, example)
    for split in SPLITS:
        for index in range(task.size(split)):
            prompt, answer = task.problem(split, index)
            assert answer == expected_answer(name, prompt)


@pytest.mark.parametrize(("name", "example"), VARIANTS)
def test_a_batch_is_the_encoded_prompt_and_its_answer(name, example):
    task = small(name, example)
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
        assert not any(ends[:-1]) and ends[-1] == ("framing" in example)
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


@pytest.mark.parametrize(("name", "example"), VARIANTS)
def test_known_attention_points_at_what_the_answer_is_made_of(name, example):
    task = small(name, example)
    inputs, targets = task.batch("test", np.arange(20))
    for index in range(20):
        prompt, _ = task.problem("test", index)
        known = task.attention_for(prompt)
        assert known
        for query, keys in known:
            if name == "Arithmetic":
                assert len(keys) == 2  # checked digit by digit below
            else:  # the very symbol that is to be written there
                assert {inputs[index][key] for key in keys} == {targets[index][query]}
            assert not task.causal or max(keys) <= query


@pytest.mark.parametrize("reverse", [False, True])
def test_known_attention_of_arithmetic_joins_the_digits_of_one_place(reverse):
    task = task_of("Arithmetic", max_number=999, reverse_digits=reverse)
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
    assert task_of("Copy").attention_for("abcdefgh:")[3] == (query + 3, (3,))
    assert task_of("Reverse").attention_for("abcdefgh:")[3] == (query + 3, (n - 1 - 3,))
    assert task_of("Sort").attention_for("badcfehg:")[0] == (query, (1,))
    assert task_of("Sort").attention_for("bab:")[1:] == [(4, (0, 2)), (5, (0, 2))]
    aligned = task_of("Reverse", layout="aligned").attention_for("abcd")
    assert aligned == [(k, (3 - k,)) for k in range(4)]
    induction = task_of("PatternCompletion").attention_for("abcda")
    assert all(keys == (q + 1 - 4,) for q, keys in induction)  # offset 1 - s


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
        task_of(name, **options).encode(prompt)


@pytest.mark.parametrize(
    ("name", "options", "prompts"),
    [
        ("Arithmetic", {}, ["7+85=", " 7 + 85 ", "07+085="]),
        ("Copy", {}, ["abc:", "abc", " a b c "]),
        ("Copy", {"vocabulary": 30}, ["1 22 3:", "1 22 3"]),
    ],
)
def test_prompts_may_be_written_loosely(name, options, prompts):
    task = task_of(name, **options)
    first = task.encode(prompts[0]).tolist()
    assert all(task.encode(prompt).tolist() == first for prompt in prompts)


def test_wrong_answers_are_shown_as_they_are():
    task = task_of("Arithmetic")
    spell = lambda text: [task.symbols.index(symbol) for symbol in text]  # noqa: E731
    assert task.decode(spell("+046")) == "46"
    assert task.decode(spell("-004")) == "-4"
    assert task.decode(spell("-000")) == "-0"  # not the right answer of 3-3
    assert task.decode(spell("4+-=")) == "4+-="
    assert task_of("Arithmetic", reverse_digits=True).decode(spell("+640")) == "46"
    framed = task_of("Copy", framing=True)
    a, b, end = (framed.symbols.index(symbol) for symbol in ("a", "b", "END"))
    assert framed.decode([a, b, end, a]) == "ab"
    assert framed.decode([a, PAD, b, end]) == "aPADb"  # not the right answer of ab
