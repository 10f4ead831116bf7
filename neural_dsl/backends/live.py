"""What the runtimes of all backends share; a backend adds the methods at the end."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

from neural_dsl.backends import canonical, check, masks, memory
from neural_dsl.backends.base import Arrays, Capture, Place
from neural_dsl.backends.check import AttentionCall
from neural_dsl.backends.emitted import forget, import_emitted
from neural_dsl.backends.inputs import validated
from neural_dsl.backends.own_names import canonical_arrays
from neural_dsl.catalogue.tensors import Attention
from neural_dsl.codegen.generate import CompiledModel
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.graph.nodes import Layer, Network

Float32 = npt.NDArray[np.float32]


class BaseRuntime(ABC):
    """A `Runtime` (see base.py) but for what needs the framework itself."""

    name: str
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
        self._proven: set[frozenset[str]] = set()
        with _named_failure("NE106", "the model cannot be built"):
            self.module: ModuleType = import_emitted(compiled, file)
            weakref.finalize(self, forget, self.module)
            self._build(seed)

    def weights(self) -> dict[str, Float32]:
        """Every weight under its canonical name, in canonical layout, in model order."""
        names = canonical.expected(self.compiled.network)
        return {
            name: np.array(array, dtype=np.float32, order="C")
            for name, array in zip(names, self._read(), strict=True)
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
        self._write(list(fitting.values()))
        read = f"weights from {Path(file).name}" if file else "given"
        self.weights_origin = origin or read

    def run(self, inputs: Arrays) -> Float32:
        """The logits for inputs keyed by input name.

        Raises NeuralError NE110 when the inputs do not fit, NE108 when running on them
        would take more memory than there is, NE109 when the model cannot run on them.
        """
        arrays = validated(self.compiled.network, inputs)
        self._refuse_run_if_too_large(arrays)
        with _named_failure("NE109", "the model cannot run on these inputs"):
            return self._forward(list(arrays.values()))

    def capture(self, inputs: Arrays, wanted: Collection[str] | None = None) -> Capture:
        """Run once and return the weights of the wanted attention names (None: all).

        Every captured layer is checked every time. The first capture of a set of names
        also runs the model without capture and compares the outputs: what decides
        whether the output passes through untouched is the model, not the data. Raises
        NeuralError: NE111 for a name that the model lacks or an attention that could not
        be seen, NE107 when a check fails, NE108 when it would not fit in memory; and as
        `run` does.
        """
        network = self.compiled.network
        arrays = validated(network, inputs)
        attentions = {name: (layer, one) for name, layer, one in network.attentions()}
        names = list(attentions) if wanted is None else list(dict.fromkeys(wanted))
        for name in names:
            if name not in attentions:
                raise _no_such_attention(name, list(attentions))
        batch, lengths = _sizes(arrays)
        memory.refuse_if_too_large(network, batch, lengths, names, holds=self.holds)
        paths = {name: self._path(*attentions[name]) for name in names}
        with _named_failure("NE109", "the model cannot run on these inputs"):
            output, seen = self._capture(list(arrays.values()), set(paths.values()))
        found = {name: _only_one(name, paths[name], seen) for name in names}
        for name, call in found.items():
            layer, attention = attentions[name]
            valid = masks.of_attention(layer, attention, arrays, call.weights.shape)
            check.check_layer(name, call, attention, valid)
        if frozenset(names) not in self._proven:
            check.check_output(self.run(inputs), output)
            self._proven.add(frozenset(names))
        return Capture(output, {name: call.weights for name, call in found.items()})

    def run_uniform(self, inputs: Arrays, names: Collection[str]) -> Float32:
        """The logits when these attentions look everywhere alike: uniform weights over
        the keys that each query may attend to. Raises NeuralError as `capture` does."""
        arrays = validated(self.compiled.network, inputs)
        self._refuse_run_if_too_large(arrays)
        paths = self._paths(names)
        with _named_failure("NE109", "the model cannot run on these inputs"):
            output, replaced = self._run_uniform(
                list(arrays.values()), set(paths.values())
            )
        for name, path in paths.items():
            if replaced.count(path) != 1:
                raise _not_seen(name, replaced.count(path))
        return output

    def evaluate_uniform(self, split: str, names: Collection[str]) -> dict[str, float]:
        """What the emitted `evaluate` measures when these attentions look everywhere
        alike. Raises NeuralError as `run_uniform` does."""
        paths = self._paths(names)
        with _named_failure("NE109", "the model cannot run on these inputs"):
            measures, replaced = self._evaluate_uniform(split, set(paths.values()))
        for name, path in paths.items():
            if path not in replaced:
                raise _not_seen(name, 0)
        return measures

    def _refuse_run_if_too_large(self, arrays: Arrays) -> None:
        """NE108 before a run that would end in a killed process."""
        batch, lengths = _sizes(arrays)
        memory.refuse_run_if_too_large(
            self.network, batch, lengths, self.name, self.holds
        )

    def _paths(self, names: Collection[str]) -> dict[str, str]:
        """Where these attentions happen. Raises NE111 for a name that the model lacks."""
        attentions = {n: (layer, one) for n, layer, one in self.network.attentions()}
        for name in names:
            if name not in attentions:
                raise _no_such_attention(name, list(attentions))
        return {name: self._path(*attentions[name]) for name in names}

    @property
    def network(self) -> Network:
        """The checked model graph."""
        return self.compiled.network

    def _path(self, layer: Layer, attention: Attention) -> str:
        """Where in the live model an attention happens."""
        path = self.compiled.paths[layer.name]
        return f"{path}.{attention.path}" if attention.path else path

    def _weight_places(self) -> Iterator[Place]:
        """Where every weight stands, in model order."""
        for layer in self.compiled.network.layers():
            for weight in layer.weights:
                yield Place(self.compiled.paths[layer.name], weight)

    @abstractmethod
    def _build(self, seed: int) -> None:
        """Seed the framework and build the model of `self.module`, for evaluation."""

    @abstractmethod
    def _read(self) -> Iterator[Float32]:
        """Every weight in canonical layout, in the order of `_weight_places`."""

    @abstractmethod
    def _write(self, arrays: Sequence[Float32]) -> None:
        """Replace every weight; arrays as `_read` gives them, already validated."""

    @abstractmethod
    def _forward(self, arrays: Sequence[npt.NDArray[np.generic]]) -> Float32:
        """The model's output for its inputs in order."""

    @abstractmethod
    def _capture(
        self, arrays: Sequence[npt.NDArray[np.generic]], paths: Collection[str]
    ) -> tuple[Float32, list[AttentionCall]]:
        """The output, and every attention that happened at one of the paths."""

    @abstractmethod
    def _run_uniform(
        self, arrays: Sequence[npt.NDArray[np.generic]], paths: Collection[str]
    ) -> tuple[Float32, list[str]]:
        """The output with uniform attention at the paths, and where it was replaced."""

    @abstractmethod
    def _evaluate_uniform(
        self, split: str, paths: Collection[str]
    ) -> tuple[dict[str, float], list[str]]:
        """The same for the emitted `evaluate`; a place stands there once a batch."""


def _sizes(arrays: Arrays) -> tuple[int, dict[str, int]]:
    """The number of examples, and the length of each input that has one."""
    lengths = {n: array.shape[1] for n, array in arrays.items() if array.ndim > 1}
    return len(next(iter(arrays.values()))), lengths


def _only_one(name: str, path: str, seen: Sequence[AttentionCall]) -> AttentionCall:
    """The one call of an attention, or NE111."""
    calls = [call for call in seen if call.path == path]
    if len(calls) == 1:
        return calls[0]
    raise _not_seen(name, len(calls))


def _not_seen(name: str, count: int) -> NeuralError:
    times = f"{count} times" if count else "never"
    return NeuralError(
        Diagnostic(
            "NE111",
            f"the attention of `{name}` cannot be captured: it was computed {times} in "
            "one run, where capture can see it",
            help="please report this with the file and the output of `neural version`",
        )
    )


def _no_such_attention(name: str, existing: list[str]) -> NeuralError:
    guess = closest(name, existing)
    hint = f"did you mean `{guess}`? " if guess else ""
    listed = ", ".join(f"`{one}`" for one in existing[:8])
    rest = f" and {len(existing) - 8} more" if len(existing) > 8 else ""
    return NeuralError(
        Diagnostic(
            "NE111",
            f"the model has no attention named `{name}`",
            help=f"{hint}it has {listed}{rest}" if existing else "it has no attention",
        )
    )


@contextmanager
def _named_failure(code: str, what: str) -> Iterator[None]:
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
        raise NeuralError(Diagnostic(code, f"{what}: {reason[:300]}")) from error
