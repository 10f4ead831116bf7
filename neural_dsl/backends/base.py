"""What a backend must be able to do. One folder a backend; each mirrors the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from neural_dsl.catalogue.tensors import Weight
from neural_dsl.codegen.generate import CompiledModel

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Place:
    """Where a weight stands: the path of its layer in the live model, and the weight."""

    layer: str
    weight: Weight


@dataclass(frozen=True)
class Capture:
    """`output`: the model's logits. `weights`: attention name -> float32 (B, H, Q, K)."""

    output: npt.NDArray[np.float32]
    weights: dict[str, npt.NDArray[np.float32]]


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

    def capture(self, inputs: Arrays, wanted: Collection[str] | None = None) -> Capture:
        """Run once and return the attention weights of the wanted attention names (None:
        all). Checks itself (DESIGN.md, principle 3) and raises NeuralError where the
        weights could not be captured truthfully."""
        ...
