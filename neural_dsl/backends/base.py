"""What backends and those who use them pass to each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.scores import Scores
from neural_dsl.backends.gates import Gates
from neural_dsl.catalogue.tensors import Weight

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Place:
    """Where a weight stands: the path of its layer in the live model, and the weight."""

    layer: str
    weight: Weight


Visit = Callable[[str, int, Scores], None]
"""Is told of an attention: the path of the module, which of its calls, its scores."""


class Watcher:
    """What is going on while a model is watched (see `live.Watched`).

    `running` is the stack of modules that run; `numbers`, how often each has attended in
    this run of the model; `seen`, every place that ever attended, as (module path, which
    of its calls). While `paused`, nothing is seen or gated.
    """

    def __init__(self, visit: Visit | None, gates: Gates):
        self.visit, self.gates = visit, gates
        self.running: list[str] = []
        self.numbers: Counter[str] = Counter()
        self.seen: set[tuple[str, int]] = set()
        self.paused = False
