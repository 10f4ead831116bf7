"""The Python API, which is also what the commands call.

    import neural_dsl as nd

    compiled = nd.compile("model.neural", backend="pytorch")     # CompiledModel
    model = nd.load("model.neural", weights="w.safetensors")      # Model

`opening` has what else there is to open, to capture, and to do with runs. Bad input
raises `NeuralError`, whose `diagnostics` say what and where.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.files import quoted, reason, refuse_overwriting
from neural_dsl.graph.nodes import Network
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse, read_source

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from neural_dsl.backends.live import Runtime
    from neural_dsl.codegen.generate import CompiledModel

PathLike: TypeAlias = "str | os.PathLike[str]"


@dataclass(frozen=True)
class Model:
    """A live model on one backend."""

    compiled: CompiledModel
    runtime: Runtime

    @property
    def network(self) -> Network:
        """The checked model graph."""
        return self.compiled.network

    @property
    def weights_origin(self) -> str:
        """What provenance says of its weights: "random, seed 0", "weights from
        W.safetensors", or "given" after `runtime.load_weights` of one's own arrays."""
        return self.runtime.weights_origin

    def __repr__(self) -> str:
        """What it is, in a line."""
        name, backend = self.network.name, self.compiled.backend
        return f"<Model {name} · {backend} · {self.weights_origin}>"

    def run(self, data: Any = None, *, seed: int = 0) -> npt.NDArray[np.float32]:
        """The model's output for `data` (see `capture`), float32 with the batch first.

        Probabilities where `Output` has such an activation, logits where it has none.
        """
        from neural_dsl.inputs import prepare
        from neural_dsl.outputs import shown

        prepared = prepare(self.network, data, None, seed)
        model = self.at(prepared.network)
        return shown(model.runtime.run(prepared.arrays), self.network.output_activation)

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Every weight under its canonical name (docs/weights.md)."""
        return self.runtime.weights()

    def save_weights(self, path: PathLike) -> None:
        """Write all weights to a safetensors file that either backend loads. Raises
        NeuralError NE105 where none can be written, NE136 for the name of a model."""
        from neural_dsl.backends import weights_file

        refuse_overwriting(Path(path), Path(self.network.source.name))
        weights_file.save(path, self.weights())

    def at(self, network: Network) -> Model:
        """This model at other sequence lengths, with the same weights."""
        from neural_dsl.targets.network import NetworkTarget

        runtime = NetworkTarget(self.runtime).at(network).runtime
        return Model(runtime.compiled, runtime)


def compile(
    source: PathLike | Source,
    backend: str | None = None,
    *,
    network: str | None = None,
    spell_out: bool = False,
) -> CompiledModel:
    """Check a file (or a text) and emit its code for one backend.

    `source` is a path, or the text itself when it contains a brace or a line break.
    `backend` is "pytorch" or "tensorflow"; by default the file's, NEURAL_BACKEND's, or
    the first one installed, and PyTorch when none is. `network` picks one of several.
    `spell_out` writes the arithmetic of attention in the open, in place of a fused kernel.
    """
    checked = analyse(source, network)
    return emit(checked, backend_for_code(checked, backend), spell_out=spell_out)


def load(
    source: PathLike | Source | Network,
    backend: str | None = None,
    *,
    weights: PathLike | None = None,
    seed: int = 0,
    network: str | None = None,
    trust: bool = False,
) -> Model:
    """Build a live model, with weights from a safetensors file or drawn from `seed`.

    Of a network with a task of the user's own (`Custom`), whose code is a part of what
    trains it, only the model is built, unless `trust` says that the code may run.
    """
    from neural_dsl import backends
    from neural_dsl.backends import weights_file
    from neural_dsl.inputs import check_seed

    seed = check_seed(seed)
    checked = source if isinstance(source, Network) else analyse(source, network)
    chosen = backends.choose(backend, checked.execution.get("backend"))
    compiled = emit(checked if trust else without_foreign_code(checked), chosen)
    runtime = backends.create_runtime(compiled, seed)
    if weights is not None:
        runtime.load_weights(weights_file.load(weights).arrays, str(weights))
    return Model(compiled, runtime)


def analyse(source: PathLike | Source, network: str | None = None) -> Network:
    """The checked model graph of a path or text. Warnings are left to `neural check`."""
    checked, _ = resolve(parse(as_source(source)), network)
    return checked


def is_text(target: Any) -> bool:
    """Whether this is the text of a `.neural` file, no path."""
    return isinstance(target, str) and ("{" in target or "\n" in target)


def as_source(source: PathLike | Source) -> Source:
    """A path's content; a text as it is, under the name `<text>`."""
    if isinstance(source, Source):
        return source
    if isinstance(source, str) and is_text(source):
        return Source("<text>", source)
    if (as_path(source) / "run.json").is_file():
        raise NeuralError(
            Diagnostic(
                "NE002",
                f"{quoted(os.fspath(source))} is the folder of a run",
                help="open it with its trained weights: neural_dsl.open("
                f"{os.fspath(source)!r})",
            )
        )
    return read_source(Path(source))


def as_path(path: PathLike) -> Path:
    """A path that can be looked up. Raises NeuralError NE003, as for too long a name."""
    try:
        found = Path(path)
        found.exists()
    except (OSError, TypeError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise NeuralError(
            Diagnostic(
                "NE003",
                f"{quoted(str(path))} cannot be read: {why}",
                help="check the path and its permissions",
            )
        ) from error
    return found


def emit(
    network: Network,
    backend: str,
    file_name: str | None = None,
    *,
    spell_out: bool = False,
) -> CompiledModel:
    """The code of a checked network. `file_name` is what its docstring says to run."""
    from neural_dsl.codegen.generate import generate
    from neural_dsl.compiler import backend_named

    target = backend_named(backend)
    name = file_name or target.file_name()
    return generate(network, target.name, name, spell_out=spell_out)


def backend_for_code(network: Network, requested: str | None) -> str:
    """The backend to emit code for, which need not be installed."""
    from neural_dsl import backends

    return backends.choose(requested, network.execution.get("backend"), must_run=False)


def without_foreign_code(network: Network) -> Network:
    """The network without a task that is a user's own Python file: importing an emitted
    file runs what stands in it."""
    is_foreign = network.task is not None and network.task.name == "Custom"
    return replace(network, task=None) if is_foreign else network
