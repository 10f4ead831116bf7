"""Tasks whose examples come from files: those of a training script's own data part."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from neural_dsl.catalogue.spec import Params
from neural_dsl.tasks.base import Split, Task
from neural_dsl.tasks.lazy import np
from neural_dsl.tasks.spec import TaskSpec


class GivenTask(Task):
    """A task of the catalogue, over the data part of a script that trains on it
    (`codegen/task_source.py` tells what that offers).

    `params` are those of its entry; paths in them are relative to `folder`. "train" are
    the examples of the first epoch, in the order in which a training with `seed` reads
    them.
    """

    def __init__(
        self, spec: TaskSpec, params: Params, folder: Path, data: Any, seed: int = 0
    ):
        self.params, self.folder, self.data, self.seed = params, folder, data, seed
        self.max_length = spec.max_length(params, folder) or 0
        self.causal = spec.causal(params)
        self.measure = spec.measure
        self.symbols = spec.symbols(params, folder) or []
        self.held_out = lru_cache(maxsize=2)(data.held_out)
        self.trained_on = lru_cache(maxsize=1)(data.batch)

    def batch(self, split: Split, indices: np.ndarray) -> tuple[Any, np.ndarray]:
        """Inputs and targets of some examples."""
        if split != "train":
            x, y = self.held_out(split)
            return _rows(x, indices), y[indices]
        inputs, targets = [], []
        for index in indices.tolist():
            number, row = divmod(index, self.data.BATCH_SIZE)
            x, y = self.trained_on(self.seed, number)
            inputs.append(_rows(x, [row]))
            targets.append(y[row])
        if isinstance(inputs[0], tuple):
            joined = tuple(np.concatenate(part) for part in zip(*inputs, strict=True))
            return joined, np.stack(targets)
        return np.concatenate(inputs), np.stack(targets)


def _rows(x: Any, indices: Any) -> Any:
    return tuple(p[indices] for p in x) if isinstance(x, tuple) else x[indices]
