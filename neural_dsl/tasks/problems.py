"""Tasks with one right answer to each problem. A hash tells which split a problem belongs
to, so that no two share one.

The scripts that train on such a task draw the same problems (`templates/tasks`; a test
compares). The script of a user's own task that builds on one contains what it needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from neural_dsl.catalogue.spec import LayerProblem, Params, parameter
from neural_dsl.tasks.base import IGNORED, PAD, Split, Task
from neural_dsl.tasks.lazy import np
from neural_dsl.tasks.spec import TaskSpec

HASH = 6364136223846793005
"""Knuth's multiplier of MMIX, TAOCP volume 2, 3.3.4, table 1, line 26."""
MANY = 2**62
"""More problems than this are not told apart: no training sees them all."""
COUNTABLE = 20_000
"""Spaces up to this size are counted, where arithmetic alone cannot be sure."""
FEWEST, MOST = 5, 30
"""Hundredths of the problems that validation, or the test, takes."""
HELD_OUT = ("test", "validation")


def multiplier(data_seed: int) -> int:
    """The odd number that scatters the problems. Below 2^63."""
    return HASH * (2 * data_seed + 1) % 2**63


def hundredth(problem: Sequence[int], data_seed: int) -> int:
    """The hash of a problem, 0 to 99, as signed 64-bit numbers give it."""
    factor = multiplier(data_seed)
    code = _signed(sum(x * factor**place for place, x in enumerate(problem, start=1)))
    return (_signed((code ^ code >> 32) * factor) >> 40) % 100


def _signed(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63


def bounds(sizes: Mapping[str, int], total: int) -> dict[str, tuple[int, int]]:
    """Split -> the hundredths that are its own, from the first to before the last. Test
    and validation take as little as they need to have `sizes` distinct problems of the
    `total`, and no less than FEWEST."""
    found, first = {}, 0
    for split in HELD_OUT:
        shares = range(FEWEST, MOST)
        enough = (s for s in shares if surely(total, s) >= sizes[split])
        end = first + next(enough, MOST)
        found[split] = (first, end)
        first = end
    return {**found, "train": (first, 100)}


def surely(total: int, share: int) -> int:
    """How many of `total` problems some hundredths have at least: six standard
    deviations below the mean, as each problem falls into them by chance."""
    mean = total * share / 100
    return max(0, int(mean - 6 * math.sqrt(mean * (1 - share / 100))))


def counted(
    problems: Iterable[Sequence[int]],
    data_seed: int,
    within: Mapping[str, tuple[int, int]],
) -> dict[str, int]:
    """Split -> how many of the problems it has."""
    found = dict.fromkeys(within, 0)
    for problem in problems:
        place = hundredth(problem, data_seed)
        for split, (first, end) in within.items():
            found[split] += first <= place < end
    return found


class ProblemTask(Task):
    """`total` problems; a hash tells the split of each, so that no two share one.

    "train" are the first `train_size` problems that a training with `seed` and
    `batch_size` draws, one batch after another.
    """

    seed, batch_size = 0, 64

    def __init__(
        self,
        total: int,
        train_size: int = 20_000,
        validation_size: int = 2_000,
        test_size: int = 1_000,
        data_seed: int = 0,
    ):
        self.total, self.data_seed = total, data_seed
        self.sizes: dict[str, int] = {
            "train": train_size,
            "validation": validation_size,
            "test": test_size,
        }
        self.bounds = bounds(self.sizes, total)
        self.problems = cache(self._problems)

    def random(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Random problems, rows of whole numbers (count, n)."""
        raise NotImplementedError

    def write(self, problems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ids of prompts (B, P) and answers (B, A), with PAD in any free place."""
        raise NotImplementedError

    def draw(self, split: Split, count: int, rng: np.random.Generator) -> np.ndarray:
        """Random problems of a split; of what is held out, each of them once."""
        first, end = self.bounds[split]
        factor, found = multiplier(self.data_seed), self.random(0, rng)
        while len(found) < count:
            x = self.random(2 * count, rng)
            code = x @ factor ** np.arange(1, x.shape[1] + 1)
            code = ((code ^ code >> 32) * factor >> 40) % 100
            found = np.concatenate([found, x[(first <= code) & (code < end)]])
            if split != "train":
                found = found[np.sort(np.unique(found, axis=0, return_index=True)[1])]
        return found[:count]

    def _problems(self, split: Split, number: int = 0) -> np.ndarray:
        """The problems of a training's batch, or all that are held out."""
        train = split == "train"
        rng = np.random.default_rng((self.seed, number) if train else self.data_seed)
        return self.draw(split, self.batch_size if train else self.sizes[split], rng)

    def size(self, split: Split) -> int:
        """The number of problems in a split."""
        return self.sizes[split]

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (B, T) and targets (B, T): the answer alone is to be learnt."""
        if split == "train":
            places = (divmod(int(index), self.batch_size) for index in indices)
            rows = np.stack([self.problems(split, n)[row] for n, row in places])
        else:
            rows = self.problems(split)[indices]
        prompts, answers = self.write(rows)
        targets = np.where(answers == PAD, IGNORED, answers)
        if not self.causal:
            return prompts, targets
        tokens = np.concatenate([prompts, answers], axis=1)
        targets = np.concatenate([np.full_like(prompts, IGNORED), targets], axis=1)
        order = np.argsort(tokens == PAD, axis=1, kind="stable")  # padding goes last
        tokens = np.take_along_axis(tokens, order, axis=1)
        targets = np.take_along_axis(targets, order, axis=1)
        return tokens[:, :-1], targets[:, 1:]  # each position predicts the next symbol

    def example(self, split: Split, index: int) -> tuple[list[int], list[int]]:
        """The ids of one prompt and of its answer."""
        x, y = (each[0] for each in self.batch(split, np.array([index])))
        answered = np.flatnonzero(y != IGNORED)
        prompt = x[: answered[0] + 1] if self.causal else x
        return prompt.tolist(), y[answered].tolist()


SIZES = (
    parameter("train_size", "count", 20_000, "problems to train on"),
    parameter("validation_size", "count", 2_000, "problems that validation uses"),
    parameter("test_size", "count", 1_000, "problems kept for the test at the end"),
    parameter("data_seed", "natural", 0, "where the random numbers of the data start"),
)


@dataclass(frozen=True, kw_only=True)
class ProblemSpec(TaskSpec):
    """A task with problems: its class says everything about it."""

    measure: Literal["exact_match", "accuracy", "loss"] = "exact_match"
    draws: bool = True

    def made(self, params: Params) -> Any:
        return self.task(**params)

    def layout(self, params: Params) -> Literal["sequence", "aligned"]:
        return "sequence" if self.made(params).causal else "aligned"

    def symbols(self, params: Params, folder: Path) -> Any:
        return self.made(params).symbols

    def max_length(self, params: Params, folder: Path = Path()) -> int:
        return int(self.made(params).max_length)


def check_space(task: Any, cause: str, more: str) -> None:
    """Refuse splits that would not have the problems that were asked for (NE074). `cause`
    names the parameter that decides how many there are; `more` says how to have more."""
    total, within = task.total, task.bounds
    there = {name: surely(total, b - a) for name, (a, b) in within.items()}
    wanted = {**task.sizes, "train": 1}
    if all(there[split] >= wanted[split] for split in wanted):
        return
    if total <= COUNTABLE:
        there = counted(task.every(), task.data_seed, within)
    large = [split for split in ("train", *HELD_OUT) if there[split] < wanted[split]]
    if not large:
        return
    there_are = f"there are {total:,} problems" if total != 1 else "there is 1 problem"
    if "train" in large:
        message = f"{there_are}, too few to train on some and test on others"
        label, help = "none is left for training", more
    else:
        asked = " and ".join(f"{wanted[split]:,} for {split}" for split in large)
        kept = " and ".join(f"{there[split]:,}" for split in large)
        fitting = " and ".join(f"`{split}_size={there[split]}`" for split in large)
        message = f"{there_are}, too few to keep {asked}"
        each = " each" if len(large) > 1 else ""
        label = f"{kept} can be kept: {MOST}% of all{each}"
        help = f"{more}, or set {fitting}" if all(there[s] for s in large) else more
    raise LayerProblem("NE074", message, parameter=cause, label=label, help=help)
