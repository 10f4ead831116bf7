"""A trained run, opened to be looked at: what `loaded` gives, and a model to capture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neural_dsl import api
from neural_dsl.attention.record import AttentionRecord
from neural_dsl.runs.loaded import LoadedRun
from neural_dsl.runs.loaded import open_run as load_run
from neural_dsl.targets.record import record
from neural_dsl.targets.run import RunTarget


@dataclass(frozen=True, repr=False)
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

    @property
    def target(self) -> RunTarget:
        """The run as what is looked at."""
        return RunTarget(self.runtime, task=self.task)

    def capture(
        self,
        ids: npt.NDArray[np.int64] | None,
        origin: str,
        layers: Sequence[str] = (),
        tokens: tuple[str, ...] = (),
    ) -> AttentionRecord:
        """The attention while the model reads ids (1, T), without any the first test
        example; `origin` is for provenance, `tokens` are the symbols of the ids.

        A model that takes any length runs as it is; one of a fixed length is built anew
        for that of the ids.
        """
        from neural_dsl.inputs.selection import select_layers

        target = self.target
        batch = target.encode() if ids is None else target.reading(ids[0], tokens)
        batch = replace(batch, origin=origin)
        names = select_layers(self.network, layers)
        return record(target, batch, target.named(names))


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
