"""Exact match taken apart: by the place in the answer, by length, digits and carries."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neural_dsl.runs.decoding import Ids, greedy_ids
from neural_dsl.runs.loaded import LoadedRun
from neural_dsl.runs.samples import Sample
from neural_dsl.tasks.arithmetic import Arithmetic
from neural_dsl.tasks.sequences import SequenceTask

UNSEEN = 200  # problems of each length that training never had
LONGER = 4  # lengths beyond the longest that are tried, where the model can read them
PLACES = ("units", "tens", "hundreds", "thousands")

MOST_DIGITS = 9  # of numbers never trained on: pairs of them still fit into 64 bits
NEW = " (never trained on)"

Tables = dict[str, list["Count"]]
Digits = tuple[str, int, int]
"""An operation's sign, and how many digits both numbers have."""


@dataclass(frozen=True)
class Count:
    """`right` of `count` under a label."""

    label: str
    right: int
    count: int

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self.right / self.count if self.count else 0.0


def breakdowns(
    run: LoadedRun,
    split: str,
    answers: Sequence[Sample],
    written: Sequence[Sequence[int]],
) -> tuple[Count, Tables]:
    """Tokens right in greedy answers over all of them, and the tables of a task.

    `written` holds the ids of the answers, in the order of the split.
    """
    task = run.task
    places = by_position(task, split, written)
    tokens = Count("tokens", sum(c.right for c in places), sum(c.count for c in places))
    tables = {"position": places}
    if isinstance(task, SequenceTask):
        tables["length"] = by_length(run, answers)
    if isinstance(task, Arithmetic):
        tables["digits"] = by_digits(run, answers)
        tables["carries"] = by_carries(answers)
    return tokens, tables


def by_position(task: Any, split: str, written: Sequence[Sequence[int]]) -> list[Count]:
    """How often each token of the answer is right, whatever the others are."""
    right: Counter[int] = Counter()
    count: Counter[int] = Counter()
    targets = task.batch(split, np.arange(task.size(split)))[1]
    for answer, row in zip(written, targets, strict=True):
        for place, token in enumerate(row[row >= 0]):
            count[place] += 1
            right[place] += bool(place < len(answer) and answer[place] == token)
    labels = position_labels(task, len(count))
    return [Count(labels[place], right[place], count[place]) for place in sorted(count)]


def position_labels(task: Any, count: int) -> list[str]:
    """What stands at each place of an answer."""
    if not isinstance(task, Arithmetic):
        return [f"symbol {place + 1}" for place in range(count)]
    digits = [
        PLACES[place] if place < len(PLACES) else f"10^{place}"
        for place in range(task.places)
    ]
    if not task.reverse_digits:
        digits.reverse()
    return ["sign", *digits] if task.signed else digits


def by_length(run: LoadedRun, answers: Sequence[Sample]) -> list[Count]:
    """Exact match for each length of the source, lengths never trained on too."""
    task = run.task
    right: Counter[int] = Counter()
    count: Counter[int] = Counter()
    for sample in answers:
        n = task.source(sample.prompt).shape[1]
        count[n] += 1
        right[n] += sample.right
    found = {n: Count(f"{n}", right[n], count[n]) for n in count}
    longest = task.longest + LONGER
    for n in range(1, longest + 1):
        if n not in found and _can_read(run, n):
            found[n] = unseen_length(run, n)
    return [found[n] for n in sorted(found)]


def unseen_length(run: LoadedRun, n: int) -> Count:
    """Exact match on random sources of a length that training never had: distinct ones,
    all of them where there are few."""
    task = copy.copy(run.task)
    task.longest = max(task.longest, n)
    sources = random_sources(task.vocabulary, n, task.unique)
    return _tried(run, task, f"{n}", task.arrange(sources))


def random_sources(words: int, n: int, unique: bool) -> Ids:
    """Different sources (B, n), at most UNSEEN: all of them where there are few."""
    rng = np.random.default_rng(n)
    if unique:
        drawn = rng.random((10 * UNSEEN, words)).argsort(axis=1)[:, :n] + 1
    else:
        drawn = rng.integers(1, words + 1, size=(10 * UNSEEN, n))
    return rng.permutation(np.unique(drawn, axis=0))[:UNSEEN]


def _tried(run: LoadedRun, task: Any, label: str, written: tuple[Ids, Ids]) -> Count:
    """Exact match on prompts (B, P) and answers (B, A) of a kind never trained on."""
    prompts, expected = written
    lengths = [expected.shape[1]] * len(expected)
    found = greedy_ids(run.logits, task, list(prompts), lengths, run.input_length)
    right = sum(a == e.tolist() for a, e in zip(found, expected, strict=True))
    return Count(label + NEW, right, len(expected))


def _can_read(run: LoadedRun, n: int) -> bool:
    """Whether the model has positions for a source of n symbols, and the task has it."""
    task = run.task
    if task.unique and n > task.vocabulary:
        return False
    if type(task).__name__ == "PatternCompletion" and n < 2:
        return False
    return _has_positions(run, task.input_length(n))


def _has_positions(run: LoadedRun, length: int) -> bool:
    """Whether the model can read a sequence of this length."""
    limits = [
        layer.params["max_len"]
        for layer in run.network.layers()
        if layer.params.get("max_len") is not None
    ]
    if run.input_length is not None:
        limits.append(run.input_length)
    return all(length <= limit for limit in limits)


def by_digits(run: LoadedRun, answers: Sequence[Sample]) -> list[Count]:
    """Exact match by how many digits both numbers have; where the model has positions
    for them, numbers with more digits than any of the task's, too."""
    task = run.task
    right: Counter[Digits] = Counter()
    count: Counter[Digits] = Counter()
    for sample in answers:
        a, sign, b = numbers(sample.prompt)
        kind = (sign, len(str(a)), len(str(b)))
        count[kind] += 1
        right[kind] += sample.right
    rows = [
        Count(digits_label(kind), right[kind], count[kind]) for kind in sorted(count)
    ]
    for width in range(task.width + 1, task.width + 1 + LONGER):
        wider = copy.copy(task)
        wider.width = width
        wider.places = task.places + width - task.width
        wider.max_length = 2 * width + 1 + wider.signed + wider.places
        if width > MOST_DIGITS or not _has_positions(run, wider.max_length):
            break
        rows += longer_numbers(run, wider)
    return rows


def longer_numbers(run: LoadedRun, task: Arithmetic) -> list[Count]:
    """Exact match on pairs of numbers that both have `task.width` digits."""
    least = 10 ** (task.width - 1)
    rng = np.random.default_rng(task.width)
    drawn = np.unique(rng.integers(least, 10 * least, size=(2 * UNSEEN, 2)), axis=0)
    a, b = rng.permutation(drawn)[:UNSEEN].T
    rows = []
    for sign in task.signs:
        label = digits_label((sign, task.width, task.width))
        rows.append(_tried(run, task, label, task.write(sign, a, b)))
    return rows


def digits_label(kind: Digits) -> str:
    """`2+1` for `12+3=`."""
    sign, a, b = kind
    return f"{a}{sign}{b}"


def by_carries(answers: Sequence[Sample]) -> list[Count]:
    """Exact match by how often a place carries into the next one, or borrows from it."""
    right: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for sample in answers:
        label = carries(sample.prompt)
        count[label] += 1
        right[label] += sample.right
    return [Count(label, right[label], count[label]) for label in sorted(count)]


def carries(prompt: str) -> str:
    """`1 carry` for `17+5=`, `2 borrows` for `101-2=` (the smaller from the larger)."""
    a, sign, b = numbers(prompt)
    if sign == "-" and a < b:
        a, b = b, a
    times, over = 0, 0
    while a or b:
        if sign == "+":
            over = int(a % 10 + b % 10 + over > 9)
        else:
            over = int(a % 10 - b % 10 - over < 0)
        times += over
        a, b = a // 10, b // 10
    if sign == "+":
        return f"+ with {times} {'carry' if times == 1 else 'carries'}"
    return f"- with {times} {'borrow' if times == 1 else 'borrows'}"


def numbers(prompt: str) -> tuple[int, str, int]:
    """Both numbers of `17+5=` and the sign between them."""
    found = re.fullmatch(r"(\d+)([+-])(\d+)=", prompt)
    assert found is not None
    return int(found[1]), found[2], int(found[3])
