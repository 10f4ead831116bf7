"""A live model: what all backends share; one adds the methods that are abstract here.

One folder a backend; each mirrors the other.
"""

from __future__ import annotations

import linecache
import sys
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from neural_dsl.backends import canonical, memory
from neural_dsl.backends.canonical import Array, Arrays, Float32
from neural_dsl.backends.inputs import sizes, validated
from neural_dsl.backends.watching import Gates, Visit, Watcher
from neural_dsl.catalogue.tensors import Attention
from neural_dsl.codegen.generate import CompiledModel
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.graph.nodes import Layer, Network

_numbers = count()


class Watched(ABC):
    """A model whose attentions can be seen while it runs."""

    name: str
    model: Any

    @contextmanager
    def watching(
        self,
        visit: Visit | None = None,
        wanted: Collection[str] | None = None,
        gates: Gates | None = None,
    ) -> Iterator[Watcher]:
        """While this lasts, `visit(path, number, scores)` is told of the attentions of the
        wanted modules (paths in the live model; None: all) whenever the model runs, and
        gates are applied. `number` counts those of a module in one run of the model. The
        first thing that goes wrong in doing so is raised at the end."""
        watcher = Watcher(visit, gates or {})
        try:
            with self.watch(watcher, wanted):
                yield watcher
        finally:
            if watcher.failure is not None:
                raise watcher.failure

    @abstractmethod
    def watch(
        self, watcher: Watcher, wanted: Collection[str] | None
    ) -> AbstractContextManager[None]:
        """While this lasts, the watcher attends for the wanted modules and those inside
        them that are not wanted themselves, each time in the name of the innermost."""


class Runtime(Watched):
    """A live model, built by importing the emitted file. Evaluation mode, no gradients."""

    # What provenance says of the weights that the model has now: "random, seed 0",
    # "weights from W.safetensors", "given" (arrays of the caller).
    weights_origin: str
    # The matrices that the model's own forward pass holds.
    holds: memory.Holds
    # A tensor as NumPy has it.
    array: Callable[[Any], Float32]

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
        self._places = canonical.places(self.network, compiled.paths, self.name)

    def weights(self) -> dict[str, Float32]:
        """Every weight under its canonical name, in canonical layout, in model order."""
        return {
            name: np.array(
                self.array(self.find(path)).transpose(weight.array.order(self.name)),
                dtype=np.float32,
                order="C",
            )
            for name, (path, weight) in self._places.items()
        }

    def load_weights(
        self, weights: Arrays, file: str = "", *, origin: str = ""
    ) -> None:
        """Replace every weight, or none: NeuralError NE104 names all that does not fit.

        Names are canonical, or those that the emitted file of either backend saves.
        `file` is the one that they come from, if any; `origin` is what provenance says
        of them (default: the file's name, or "given").
        """
        named = canonical.canonical_arrays(self.compiled, weights)
        fitting = canonical.validated(self.network, named, file)
        for name, array in fitting.items():
            path, weight = self._places[name]
            self._write(path, array.transpose(weight.array.order_back(self.name)))
        read = f"weights from {Path(file).name}" if file else "given"
        self.weights_origin = origin or read

    def run(self, inputs: Arrays) -> Float32:
        """The logits for inputs keyed by input name.

        Raises NeuralError NE110 when the inputs do not fit, NE108 when running on them
        would take more memory than there is, NE109 when the model cannot run on them.
        """
        arrays = validated(self.network, inputs)
        at = sizes(self.network, arrays)
        memory.refuse_run_if_too_large(self.network, *at, self.name, self.holds)
        with named_failure("NE109", "the model cannot run on these inputs"):
            return self.forward(list(arrays.values()))

    def path(self, layer: Layer, attention: Attention) -> str:
        """Where in the live model an attention happens."""
        path = self.compiled.paths[layer.name]
        return f"{path}.{attention.path}" if attention.path else path

    @property
    def network(self) -> Network:
        """The checked model graph."""
        return self.compiled.network

    @abstractmethod
    def _build(self, seed: int) -> None:
        """Seed the framework and build the model of `self.module`, for evaluation."""

    @abstractmethod
    def find(self, path: str) -> Any:
        """The tensor that stands there. Raises TypeError where something else does."""

    @abstractmethod
    def _write(self, path: str, values: Float32) -> None:
        """Replace it; the array is in the backend's own layout, already validated."""

    @abstractmethod
    def forward(self, arrays: Sequence[Array]) -> Float32:
        """The model's output for its inputs in order."""


def import_emitted(compiled: CompiledModel, file: str | None = None) -> ModuleType:
    """Run `compiled.code` as a module under a private name, never as `__main__`.

    `file` is where that very text stands on disk. Without one the text is given to
    `linecache`, so that tracebacks and `inspect.getsource` show the emitted lines.
    """
    name = f"_neural_dsl_emitted_{next(_numbers)}"
    filename = file or f"<{name}: {compiled.network.name} for {compiled.backend}>"
    if file is None:
        lines = compiled.code.splitlines(keepends=True)
        linecache.cache[filename] = (len(compiled.code), None, lines, filename)
    module = ModuleType(name)
    module.__file__ = filename
    sys.modules[name] = module
    try:
        exec(compile(compiled.code, filename, "exec"), module.__dict__)
    except BaseException:
        forget(module)
        raise
    return module


def forget(module: ModuleType) -> None:
    """Drop what `import_emitted` registered, once its model is gone."""
    sys.modules.pop(module.__name__, None)
    linecache.cache.pop(str(module.__file__), None)


@contextmanager
def named_failure(code: str, what: str) -> Iterator[None]:
    """Turn an exception of the framework into a diagnostic with its first line."""
    try:
        yield
    except NeuralError:
        raise
    except (Exception, SystemExit) as error:  # the code of a user's task may exit
        lines = str(error).strip().splitlines()
        reason = ": ".join([type(error).__name__, *lines[:1]])
        raise refusal(code, f"{what}: {reason[:300]}") from error
