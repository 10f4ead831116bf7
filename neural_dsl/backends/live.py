"""A live model: what all backends share; one adds the methods that are abstract here.

One folder a backend; each mirrors the other.
"""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl.backends import canonical, memory
from neural_dsl.backends.base import Arrays, Place, Visit, Watcher
from neural_dsl.backends.emitted import forget, import_emitted
from neural_dsl.backends.gates import Gates
from neural_dsl.backends.inputs import validated
from neural_dsl.backends.own_names import canonical_arrays
from neural_dsl.catalogue.tensors import Attention
from neural_dsl.codegen.generate import CompiledModel
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.graph.nodes import Layer, Network

Float32 = npt.NDArray[np.float32]


class Watched:
    """A model whose attentions can be seen while it runs."""

    name: str
    model: Any
    _watching: Callable[..., AbstractContextManager[Watcher]]
    """The backend's `capture.watching`."""

    def watching(
        self,
        visit: Visit | None = None,
        wanted: Collection[str] | None = None,
        gates: Gates | None = None,
    ) -> AbstractContextManager[Watcher]:
        """While this lasts, `visit` is told of the attentions of the wanted modules (paths
        in the live model; None: all) whenever the model runs, and gates are applied."""
        return self._watching(self.model, visit, wanted, gates)


class Runtime(Watched, ABC):
    """A live model, built by importing the emitted file. Evaluation mode, no gradients."""

    # What provenance says of the weights that the model has now: "random, seed 0",
    # "weights from W.safetensors", "given" (arrays of the caller).
    weights_origin: str
    # The matrices that the model's own forward pass holds.
    holds: memory.Holds

    def __init__(self, compiled: CompiledModel, seed: int = 0, file: str | None = None):
        """Import the emitted file and build its model with weights drawn from `seed`.
        `file` is where its text stands on disk, if it does.

        Raises NeuralError NE106 when the emitted code cannot build the model.
        """
        self.compiled = compiled
        self.weights_origin = f"random, seed {seed}"
        with named_failure("NE106", "the model cannot be built"):
            self.module: ModuleType = import_emitted(compiled, file)
            weakref.finalize(self, forget, self.module)
            self._build(seed)

    def weights(self) -> dict[str, Float32]:
        """Every weight under its canonical name, in canonical layout, in model order."""
        names = canonical.expected(self.compiled.network)
        return {
            name: np.array(
                self._read(place).transpose(place.weight.array.order(self.name)),
                dtype=np.float32,
                order="C",
            )
            for name, place in zip(names, self._places(), strict=True)
        }

    def load_weights(
        self, weights: Arrays, file: str = "", *, origin: str = ""
    ) -> None:
        """Replace every weight, or none: NeuralError NE104 names all that does not fit.

        Names are canonical, or those that the emitted file of either backend saves.
        `file` is the one that they come from, if any; `origin` is what provenance says
        of them (default: the file's name, or "given").
        """
        named = canonical_arrays(self.compiled, weights)
        fitting = canonical.validated(self.compiled.network, named, file)
        for place, array in zip(self._places(), fitting.values(), strict=True):
            order = place.weight.array.order_back(self.name)
            self._write(place, array.transpose(order))
        read = f"weights from {Path(file).name}" if file else "given"
        self.weights_origin = origin or read

    def run(self, inputs: Arrays) -> Float32:
        """The logits for inputs keyed by input name.

        Raises NeuralError NE110 when the inputs do not fit, NE108 when running on them
        would take more memory than there is, NE109 when the model cannot run on them.
        """
        arrays = validated(self.compiled.network, inputs)
        batch, lengths = sizes(self.network, arrays)
        memory.refuse_run_if_too_large(
            self.network, batch, lengths, self.name, self.holds
        )
        with named_failure("NE109", "the model cannot run on these inputs"):
            return self._forward(list(arrays.values()))

    def path(self, layer: Layer, attention: Attention) -> str:
        """Where in the live model an attention happens."""
        path = self.compiled.paths[layer.name]
        return f"{path}.{attention.path}" if attention.path else path

    @property
    def network(self) -> Network:
        """The checked model graph."""
        return self.compiled.network

    def _places(self) -> Iterator[Place]:
        """Where every weight stands, in model order."""
        for layer in self.compiled.network.layers():
            for weight in layer.weights:
                yield Place(self.compiled.paths[layer.name], weight)

    @abstractmethod
    def _build(self, seed: int) -> None:
        """Seed the framework and build the model of `self.module`, for evaluation."""

    @abstractmethod
    def _read(self, place: Place) -> Float32:
        """The weight that stands there, in the backend's own layout."""

    @abstractmethod
    def _write(self, place: Place, array: Float32) -> None:
        """Replace it; the array is as `_read` gives it, already validated."""

    @abstractmethod
    def _forward(self, arrays: Sequence[npt.NDArray[np.generic]]) -> Float32:
        """The model's output for its inputs in order."""


def sizes(network: Network, arrays: Arrays) -> tuple[int, dict[str, int]]:
    """The number of examples, and the length of each input that is a sequence."""
    sequences = [item.name for item in network.inputs if item.is_sequence]
    lengths = {name: arrays[name].shape[1] for name in sequences}
    return len(next(iter(arrays.values()))), lengths


@contextmanager
def named_failure(code: str, what: str) -> Iterator[None]:
    """Turn an exception of the framework into a diagnostic with its first line."""
    try:
        yield
    except NeuralError:
        raise
    except (Exception, SystemExit) as error:  # the code of a user's task may exit
        lines = str(error).strip().splitlines()
        reason = (
            f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        )
        raise refusal(code, f"{what}: {reason[:300]}") from error
