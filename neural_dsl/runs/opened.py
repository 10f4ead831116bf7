"""A trained run, opened to be looked at: what `loaded` gives, and a model to capture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from neural_dsl import api
from neural_dsl.attention.record import AttentionRecord
from neural_dsl.recording import assemble
from neural_dsl.runs.loaded import LoadedRun
from neural_dsl.runs.loaded import open_run as load_run


@dataclass(frozen=True)
class OpenedRun(LoadedRun):
    """A run that can also be captured."""

    @property
    def name(self) -> str:
        """The folder's own name: what tells two runs apart."""
        return self.folder.resolve().name

    @property
    def model(self) -> api.Model:
        """The live model."""
        return api.Model(self.runtime.compiled, self.runtime)

    def capture(
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
        origin: str,
        layers: Sequence[str] = (),
        tokens: tuple[str, ...] = (),
    ) -> AttentionRecord:
        """The attention while the model reads one example by input name, as ids (1, T);
        `origin` is for provenance, `tokens` are the symbols of the ids.

        A model that takes any length runs as it is; one of a fixed length is built anew
        for that of the ids.
        """
        from neural_dsl.inputs import Prepared, prepare
        from neural_dsl.inputs.selection import select_layers

        labels = {self.network.inputs[0].name: (tokens,)} if tokens else {}
        if self.input_length is None:
            prepared = Prepared(self.network, dict(arrays), {}, origin)
        else:
            prepared = replace(prepare(self.network, dict(arrays)), origin=origin)
        model = self.model.at(prepared.network)
        names = select_layers(prepared.network, layers)
        weights = model.runtime.capture(prepared.arrays, names).weights
        backend = model.compiled.backend
        origin = model.weights_origin
        return assemble(prepared, weights, backend, origin, tokens=labels)


def open_run(
    folder: Path,
    checkpoint: str | None = None,
    backend: str | None = None,
    trust: bool = False,
) -> OpenedRun:
    """Open a run's folder with its "best" or "last" weights (`loaded.open_run`).

    The code is written anew from the run's `model.neural`, for any `backend`; no Python
    file of the folder is run, but for the user's own task with `trust`. Raises
    NeuralError as `loaded.open_run` does, and as building the model does.
    """
    run = load_run(folder, checkpoint, trust, backend)
    return OpenedRun(**vars(run))
