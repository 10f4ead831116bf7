"""A trained run as a target: its task reads prompts and gives examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neural_dsl.targets.base import Batch
from neural_dsl.targets.network import NetworkTarget


@dataclass
class RunTarget(NetworkTarget):
    """The model of a run with its trained weights; `task` is what it has learnt."""

    task: Any = None

    def encode(
        self, given: Any = None, *, tokens: Any = None, seed: int = 0, item: int = 0
    ) -> Batch:
        """A text that the task can encode, token ids (T,), or whatever a network reads;
        None for the first example of the test split. Labelled with the task's symbols.

        Raises ValueError for a text that the task cannot read.
        """
        if given is None:
            return replace(self._example(), origin="first test example")
        if isinstance(given, str) and hasattr(self.task, "encode"):
            ids = np.array(self.task.encode(given), dtype=np.int64)
            return replace(self.reading(ids), origin=f'text "{given}"')
        if (
            isinstance(given, np.ndarray)
            and given.ndim == 1
            and given.dtype.kind in "iu"
        ):
            return self.reading(given.astype(np.int64))
        return super().encode(given, tokens=tokens, seed=seed, item=item)

    def reading(
        self, ids: np.ndarray[Any, Any], labels: tuple[str, ...] | None = None
    ) -> Batch:
        """One sequence of token ids (T,), labelled so, or each with its symbol. A model
        that takes any length runs as it is; one of a fixed length is built anew."""
        name = self.network.inputs[0].name
        arrays = {name: ids[None]}
        if labels is None:
            labels = tuple(self.task.symbols[int(one)] for one in ids)
        tokens = {name: (labels,)} if labels else {}
        if self.network.inputs[0].tensor.shape[0] is None:
            return Batch(arrays, tokens)
        return replace(super().encode(arrays), tokens=tokens)

    def _example(self) -> Batch:
        """The first example of the test split, as the task gives it."""
        x = self.task.batch("test", np.arange(1))[0]
        parts = x if isinstance(x, tuple) else (x,)
        if len(parts) == 1 and parts[0].dtype.kind in "iu" and self.task.symbols:
            return self.reading(np.asarray(parts[0][0]))
        names = [item.name for item in self.network.inputs]
        return Batch(dict(zip(names, parts, strict=True)))
