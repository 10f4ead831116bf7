"""Tasks whose examples are those of a training script: this program adds the prompts."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from neural_dsl.catalogue.spec import Params
from neural_dsl.catalogue.tasks.spec import TaskSpec
from neural_dsl.tasks.base import IGNORED, Split, Task


class Data(Protocol):
    """The data part of a training script, at work: `codegen/task_source.py` tells more."""

    BATCH_SIZE: int

    def batch(self, seed: int, number: int) -> tuple[Any, np.ndarray]:
        """The training examples of a batch, counted over all epochs."""

    def held_out(self, split: str) -> tuple[Any, np.ndarray]:
        """All examples of "validation" or "test"."""


class GivenTask(Task):
    """A task of the catalogue, over the data part of a script that trains on it.

    `params` are those of its entry; paths in them are relative to `folder`. "train" are
    the examples of the first epoch, in the order in which a training with `seed` reads
    them; where problems are drawn for ever, the first `train_size` of them.
    """

    def __init__(
        self, spec: TaskSpec, params: Params, folder: Path, data: Any, seed: int = 0
    ):
        self.spec, self.params, self.folder = spec, params, folder
        self.data, self.seed = data, seed
        self.max_length = spec.max_length(params, folder) or 0
        self.causal = spec.causal(params)
        self.measure = spec.measure
        self.symbols = spec.symbols(params, folder) or []
        self.held_out = lru_cache(maxsize=2)(data.held_out)
        self.trained_on = lru_cache(maxsize=1)(data.batch)

    def size(self, split: Split) -> int:
        """The number of examples in a split."""
        if split == "train":
            return int(self.params["train_size"])
        return len(self.held_out(split)[1])

    def batch(self, split: Split, indices: np.ndarray) -> tuple[Any, np.ndarray]:
        """Inputs and targets of some examples."""
        if split != "train":
            x, y = self.held_out(split)
            return _rows(x, indices), y[indices]
        rows = [divmod(int(index), self.data.BATCH_SIZE) for index in indices]
        parts = []
        for number, row in rows:
            x, y = self.trained_on(self.seed, number)
            parts.append((_rows(x, [row]), y[row : row + 1]))
        inputs, targets = zip(*parts, strict=True)
        if isinstance(inputs[0], tuple):
            joined = tuple(np.concatenate(part) for part in zip(*inputs, strict=True))
            return joined, np.concatenate(targets)
        return np.concatenate(inputs), np.concatenate(targets)

    def example(self, split: Split, index: int) -> tuple[list[int], list[int]]:
        """The ids of one prompt and of its answer."""
        x, y = (each[0] for each in self.batch(split, np.array([index])))
        answered = np.flatnonzero(y != IGNORED)
        prompt = x[: answered[0] + 1] if self.causal else x
        return prompt.tolist(), y[answered].tolist()

    def solve(self, prompt: str) -> str | None:
        """The right answer to a prompt, held out or not; None where there is no one
        right answer. Raises ValueError for a prompt that the task cannot read."""
        return None


def _rows(x: Any, indices: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(part[indices] for part in x)
    return x[indices]
