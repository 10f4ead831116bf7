"""Tasks with one right answer to each problem, and which split a problem belongs to.

The scripts that train on such a task draw the same problems (`templates/tasks`; a test
compares). The script of a user's own task that builds on one contains what it needs.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from neural_dsl.catalogue.tasks.splits import bounds, multiplier
from neural_dsl.tasks.base import IGNORED, PAD, Split, Task


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
        self.sizes: dict[str, int] = {
            "train": train_size,
            "validation": validation_size,
            "test": test_size,
        }
        self.bounds = bounds(self.sizes, total)
        self.data_seed = data_seed
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
        if split == "train":
            rng = np.random.default_rng((self.seed, number))
            return self.draw(split, self.batch_size, rng)
        rng = np.random.default_rng(self.data_seed)
        return self.draw(split, self.sizes[split], rng)

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

    def solve(self, prompt: str) -> str:
        """The right answer to a prompt. Raises ValueError for one that it cannot read."""
        raise NotImplementedError


def builds_on(task: object, name: str) -> bool:
    """Whether a task is of the class of this name, or of one that builds on it: the
    package's, or the copy in the script of a user's own task."""
    return any(each.__name__ == name for each in type(task).__mro__)
