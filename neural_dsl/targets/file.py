"""A `.neural` file as a target: its model, with random weights or those of a file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl import backends
from neural_dsl.backends import weights_file
from neural_dsl.codegen.generate import CompiledModel
from neural_dsl.compiler import PathLike, analyse, emit
from neural_dsl.files import refuse_overwriting
from neural_dsl.graph.nodes import Network
from neural_dsl.inputs import check_seed
from neural_dsl.outputs import shown
from neural_dsl.source import Source
from neural_dsl.targets.base import Given, refused
from neural_dsl.targets.network import NetworkTarget


class Model(NetworkTarget):
    """A live model on one backend."""

    @property
    def compiled(self) -> CompiledModel:
        """The emitted file that it was built from."""
        return self.runtime.compiled

    @property
    def weights_origin(self) -> str:
        """What provenance says of its weights: "random, seed 0", "weights from
        W.safetensors", or "given" after `runtime.load_weights` of one's own arrays."""
        return self.runtime.weights_origin

    def run(self, data: Any = None, *, seed: int = 0) -> npt.NDArray[np.float32]:
        """The model's output for `data` (see `capture`), float32 with the batch first.

        Probabilities where `Output` has such an activation, logits where it has none.
        """
        batch = self.encode(Given(data, seed=seed))
        logits = self.at(batch.network).runtime.run(batch.arrays)
        return shown(logits, self.network.output_activation)

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Every weight under its canonical name (docs/weights.md)."""
        return self.runtime.weights()

    def save_weights(self, path: PathLike) -> None:
        """Write all weights to a safetensors file that either backend loads. Raises
        NeuralError NE105 where none can be written, NE136 for the name of a model."""
        refuse_overwriting(Path(path), Path(self.network.source.name))
        weights_file.save(path, self.weights())


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
    seed = check_seed(seed)
    if not isinstance(weights, (str, os.PathLike, type(None))):
        raise refused(f"{weights!r} is no file of weights", "give its path, or nothing")
    checked = source if isinstance(source, Network) else analyse(source, network)
    # Importing an emitted file runs what stands in it, a user's own code as well.
    foreign = checked.task is not None and checked.task.name == "Custom"
    built = replace(checked, task=None) if foreign and not trust else checked
    chosen = backends.choose(backend, checked.execution.get("backend"))
    runtime = backends.create_runtime(emit(built, chosen), seed)
    if weights is not None:
        runtime.load_weights(weights_file.load(weights).arrays, str(weights))
    return Model(runtime)


def opened(given: Any, **options: Any) -> Model | None:
    """The model of a file or a text."""
    if isinstance(given, Path):
        is_file = given.exists() or given.suffix in (".neural", ".nr")
        known = is_file and not given.is_dir()
    else:
        known = isinstance(given, (str, Source))
    return load(given, **options) if known else None
