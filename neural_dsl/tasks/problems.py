"""Tasks with a right answer, and how their problems are dealt out to the splits."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from neural_dsl.tasks.base import IGNORED, PAD, Split, Task

ENUMERABLE = 4_000_000  # spaces up to this size are shuffled as a whole


def draw_distinct(
    radices: Sequence[int], count: int, rng: np.random.Generator
) -> np.ndarray:
    """Distinct random rows (count, len(radices)), with 0 <= row[i] < radices[i].

    Fewer come back where fewer exist; of a large space at most three quarters.
    """
    total = math.prod(radices)
    if total <= ENUMERABLE:
        order = rng.permutation(total)[:count]
        return np.stack(np.unravel_index(order, radices), axis=1)
    count = min(count, total * 3 // 4)
    rows = np.empty((0, len(radices)), dtype=np.int64)
    while len(rows) < count:
        more = rng.integers(0, radices, size=(count, len(radices)))
        rows = np.concatenate([rows, more])
        first = np.unique(rows, axis=0, return_index=True)[1]
        rows = rows[np.sort(first)]  # without the repeats, in the order of drawing
    return rows[:count]


def share_out(size: int, capacities: Sequence[int]) -> list[int]:
    """Equal shares of `size`; what one capacity cannot take goes to the next ones."""
    shares = []
    for number, capacity in enumerate(capacities):
        shares.append(min(capacity, math.ceil(size / (len(capacities) - number))))
        size -= shares[-1]
    return shares


def deal(
    spaces: Sequence[Sequence[int]], sizes: dict[Split, int], data_seed: int
) -> dict[Split, np.ndarray]:
    """Deal the problems of some spaces out to splits that share none.

    A space is a tuple of radices: how many choices there are at each place. A problem is
    a row of choices, filled up with -1. Problems are split before they are sampled:
    validation and test take at most a quarter of each space, and train repeats problems
    of the rest as often as it must.
    """
    totals = [math.prod(space) for space in spaces]
    quarters = [total // 4 for total in totals]
    held_out: tuple[Split, ...] = ("test", "validation")
    for split in held_out:
        if sizes[split] > sum(quarters):
            raise ValueError(
                f"{sizes[split]:,} {split} problems were asked for, and "
                f"{sum(quarters):,} can be had: a quarter of the {sum(totals):,} "
                f"that exist"
            )
    shares = {split: share_out(sizes[split], quarters) for split in held_out}
    shares["train"] = share_out(sizes["train"], [sizes["train"]] * len(spaces))
    dealt: dict[Split, list[np.ndarray]] = {"test": [], "validation": [], "train": []}
    for number, space in enumerate(spaces):
        n_test, n_validation, n_train = (shares[split][number] for split in dealt)
        rng = np.random.default_rng((data_seed, number))
        rows = draw_distinct(space, n_test + n_validation + n_train, rng)
        missing = max(map(len, spaces)) - len(space)
        rows = np.pad(rows, [(0, 0), (0, missing)], constant_values=-1)
        test, validation, rest = np.split(rows, [n_test, n_test + n_validation])
        dealt["test"].append(test)
        dealt["validation"].append(validation)
        dealt["train"].append(np.resize(rest, (n_train, rows.shape[1])))
    rng = np.random.default_rng(data_seed)
    joined = {split: np.concatenate(parts) for split, parts in dealt.items()}
    return {split: rows[rng.permutation(len(rows))] for split, rows in joined.items()}


class ProblemTask(Task):
    """A task with one right answer to each problem; `problems` holds the splits' rows."""

    def __init__(
        self,
        spaces: Sequence[Sequence[int]],
        train_size: int = 20_000,
        validation_size: int = 2_000,
        test_size: int = 1_000,
        data_seed: int = 0,
    ):
        sizes: dict[Split, int] = {
            "train": train_size,
            "validation": validation_size,
            "test": test_size,
        }
        self.problems = deal(spaces, sizes, data_seed)

    def write(self, problems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ids of prompts (B, P) and answers (B, A), with PAD in any free place."""
        raise NotImplementedError

    def size(self, split: Split) -> int:
        """The number of problems in a split."""
        return len(self.problems[split])

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (B, T) and targets (B, T): the answer alone is to be learnt."""
        prompts, answers = self.write(self.problems[split][indices])
        targets = np.where(answers == PAD, IGNORED, answers)
        if not self.causal:
            return prompts, targets
        tokens = np.concatenate([prompts, answers], axis=1)
        targets = np.concatenate([np.full_like(prompts, IGNORED), targets], axis=1)
        order = np.argsort(tokens == PAD, axis=1, kind="stable")  # padding goes last
        tokens = np.take_along_axis(tokens, order, axis=1)
        targets = np.take_along_axis(targets, order, axis=1)
        return tokens[:, :-1], targets[:, 1:]  # each position predicts the next symbol
