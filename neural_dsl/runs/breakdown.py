"""Exact match taken apart: by the place in the answer, by length, digits and carries."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from neural_dsl.runs.decoding import Ids, Sample, decoded
from neural_dsl.runs.loaded import LoadedRun
from neural_dsl.tasks.problems import builds_on

UNSEEN = 200  # problems of each length that training never had
LONGER = 4  # lengths beyond the longest that are tried, where the model can read them
PLACES = ("units", "tens", "hundreds", "thousands")

MOST_DIGITS = 9  # of numbers never trained on: pairs of them still fit into 64 bits
NEW = " (never trained on)"

Tables = dict[str, list["Count"]]
Kind = TypeVar("Kind", bound=Hashable)


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
    if builds_on(task, "SequenceTask"):
        tables["length"] = by_length(run, answers)
    if builds_on(task, "Arithmetic"):
        tables["digits"] = by_digits(run, answers)
        tables["carries"] = by_carries(answers)
    return tokens, tables


def tally(
    found: Iterable[tuple[Kind, bool]], label: Callable[[Kind], str] = str
) -> dict[Kind, Count]:
    """What was found right or wrong, counted by its kind, kinds in ascending order."""
    pairs = list(found)
    count = Counter(kind for kind, _ in pairs)
    right = Counter(kind for kind, is_right in pairs if is_right)
    kinds: list[Any] = list(count)
    return {
        kind: Count(label(kind), right[kind], count[kind]) for kind in sorted(kinds)
    }


def by_position(task: Any, split: str, written: Sequence[Sequence[int]]) -> list[Count]:
    """How often each token of the answer is right, whatever the others are."""
    targets = task.batch(split, np.arange(task.size(split)))[1]
    found = [
        (place, place < len(answer) and bool(answer[place] == token))
        for answer, row in zip(written, targets, strict=True)
        for place, token in enumerate(row[row >= 0])
    ]
    labels = position_labels(task, 1 + max((place for place, _ in found), default=-1))
    return [*tally(found, labels.__getitem__).values()]


def position_labels(task: Any, count: int) -> list[str]:
    """What stands at each place of an answer."""
    if not builds_on(task, "Arithmetic"):
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
    found = tally((task.source(a.prompt).shape[1], a.right) for a in answers)
    for n in range(1, task.longest + LONGER + 1):
        if n not in found and _can_read(run, n):
            found[n] = unseen_length(run, n)
    return [found[n] for n in sorted(found)]


def unseen_length(run: LoadedRun, n: int) -> Count:
    """Exact match on random sources of a length that training never had: distinct ones,
    all of them where there are few."""
    task = copy.copy(run.task)
    task.longest = max(task.longest, n)
    sources = random_sources(task.vocabulary, n, task.unique)
    return _tried(run, task, f"{n}", task.write(sources))


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
    ends = task.is_end if task.causal else None
    found = decoded(run.logits, list(prompts), lengths, run.input_length, ends)
    right = sum(a == e.tolist() for a, e in zip(found, expected, strict=True))
    return Count(label + NEW, right, len(expected))


def _can_read(run: LoadedRun, n: int) -> bool:
    """Whether the model has positions for a source of n symbols, and the task has it."""
    task = run.task
    if task.unique and n > task.vocabulary:
        return False
    if builds_on(task, "PatternCompletion") and n < 2:
        return False
    return _has_positions(run, task.input_length(n))


def _has_positions(run: LoadedRun, length: int) -> bool:
    """Whether the model can read a sequence of this length."""
    limits = [layer.params.get("max_len") for layer in run.network.layers()]
    limits.append(run.input_length)
    return all(limit is None or length <= limit for limit in limits)


def by_digits(run: LoadedRun, answers: Sequence[Sample]) -> list[Count]:
    """Exact match by how many digits both numbers have; where the model has positions
    for them, numbers with more digits than any of the task's, too."""
    task = run.task
    rows = [
        *tally(((digits(a.prompt), a.right) for a in answers), digits_label).values()
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


def longer_numbers(run: LoadedRun, task: Any) -> list[Count]:
    """Exact match on pairs of numbers that both have `task.width` digits."""
    least = 10 ** (task.width - 1)
    rng = np.random.default_rng(task.width)
    drawn = np.unique(rng.integers(least, 10 * least, size=(2 * UNSEEN, 2)), axis=0)
    a, b = rng.permutation(drawn)[:UNSEEN].T
    rows = []
    for which, sign in enumerate(task.signs):
        label = digits_label((sign, task.width, task.width))
        chosen = [np.full_like(a, which)] * (len(task.signs) > 1)
        written = task.write(np.column_stack([*chosen, a, b]))
        rows.append(_tried(run, task, label, written))
    return rows


def digits(prompt: str) -> tuple[str, int, int]:
    """The operation's sign, and how many digits both numbers have."""
    a, sign, b = numbers(prompt)
    return sign, len(str(a)), len(str(b))


def digits_label(kind: tuple[str, int, int]) -> str:
    """`2+1` for `12+3=`."""
    sign, a, b = kind
    return f"{a}{sign}{b}"


def by_carries(answers: Sequence[Sample]) -> list[Count]:
    """Exact match by how often a place carries into the next one, or borrows from it."""
    return [*tally((carries(a.prompt), a.right) for a in answers).values()]


def carries(prompt: str) -> str:
    """`1 carry` for `17+5=`, `2 borrows` for `101-2=` (the smaller from the larger)."""
    a, sign, b = numbers(prompt)
    if sign == "-" and a < b:
        a, b = b, a
    times, over, step = 0, 0, 1 if sign == "+" else -1
    while a or b:
        over = int(not 0 <= a % 10 + step * (b % 10 + over) <= 9)
        times, a, b = times + over, a // 10, b // 10
    one, more = ("carry", "carries") if sign == "+" else ("borrow", "borrows")
    return f"{sign} with {times} {one if times == 1 else more}"


def numbers(prompt: str) -> tuple[int, str, int]:
    """Both numbers of `17+5=` and the sign between them."""
    found = re.fullmatch(r"(\d+)([+-])(\d+)=", prompt)
    assert found is not None
    return int(found[1]), found[2], int(found[3])
