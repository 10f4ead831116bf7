"""What backends and those who use them pass to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.scores import Scores
from neural_dsl.catalogue.tensors import Weight

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Place:
    """Where a weight stands: the path of its layer in the live model, and the weight."""

    layer: str
    weight: Weight


class Watcher(Protocol):
    """What `Watched.watching` gives: `seen` holds every place that ever attended, as
    (module path, which of its calls); while `paused`, nothing is seen or gated."""

    seen: set[tuple[str, int]]
    paused: bool


Visit = Callable[[str, int, Scores], None]
"""Is told of an attention: the path of the module, which of its calls, its scores."""
