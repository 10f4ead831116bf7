"""What a backend must be able to do. One folder a backend; each mirrors the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.scores import Scores
from neural_dsl.backends.gates import Gates
from neural_dsl.backends.memory import Holds
from neural_dsl.catalogue.tensors import Attention, Weight
from neural_dsl.codegen.generate import CompiledModel
from neural_dsl.graph.nodes import Layer, Network

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Place:
    """Where a weight stands: the path of its layer in the live model, and the weight."""

    layer: str
    weight: Weight


class Watcher(Protocol):
    """What `Runtime.watching` gives: `seen` holds every place that ever attended, as
    (module path, which of its calls); while `paused`, nothing is seen or gated."""

    seen: set[tuple[str, int]]
    paused: bool


Visit = Callable[[str, int, Scores], None]
"""Is told of an attention: the path of the module, which of its calls, its scores."""


class Runtime(Protocol):
    """A live model, built by importing the emitted file. Evaluation mode, no gradients.

    Construction: `Runtime(compiled, seed)` imports `compiled.code` under a private module
    name, seeds the framework, and builds the model with the file's own initialisers.
    """

    name: str
    compiled: CompiledModel
    # What provenance says of the weights that the model has now: "random, seed 0",
    # "weights from W.safetensors", "given" (arrays of the caller).
    weights_origin: str
    # The matrices that the model's own forward pass holds.
    holds: Holds

    @property
    def network(self) -> Network:
        """The checked model graph."""
        ...

    def path(self, layer: Layer, attention: Attention) -> str:
        """Where in the live model an attention happens."""
        ...

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Every weight under its canonical name, in canonical layout, in model order."""
        ...

    def load_weights(
        self, weights: Arrays, file: str = "", *, origin: str = ""
    ) -> None:
        """Replace every weight, or none. Raises NeuralError when a name is missing,
        unknown, or has another shape (all of them named in one diagnostic). `file` is
        the one that they come from, if any; `origin` is what provenance says of them
        (default: the file's name, or "given")."""
        ...

    def run(self, inputs: Arrays) -> npt.NDArray[np.float32]:
        """The logits for inputs keyed by input name; ids int64, the rest float32."""
        ...

    def watching(
        self,
        visit: Visit | None = None,
        wanted: Collection[str] | None = None,
        gates: Gates | None = None,
    ) -> AbstractContextManager[Watcher]:
        """While this lasts, `visit` is told of the attentions of the wanted modules (paths
        in the live model; None: all) whenever the model runs, and gates are applied."""
        ...
