"""A run with its trained weights, ready to answer and to be looked at."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neural_dsl.backends import create_runtime, weights_file
from neural_dsl.backends.live import Runtime
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.files import quoted
from neural_dsl.graph.nodes import Network
from neural_dsl.runs import checkpoints
from neural_dsl.runs.directory import LAYOUT
from neural_dsl.runs.prepare import Prepared, prepare_again
from neural_dsl.runs.resuming import refuse_changed_data
from neural_dsl.runs.task_files import refuse_other_splits, run_task, tell_places

if TYPE_CHECKING:
    from neural_dsl.api import Model
    from neural_dsl.attention.record import AttentionRecord
    from neural_dsl.targets.run import RunTarget


@dataclass(frozen=True)
class LoadedRun:
    """`step` is the one whose weights these are; `task` is the package's own, whose
    examples are the emitted file's."""

    folder: Path
    runtime: Runtime
    task: Any
    step: int
    weights: str
    about: Mapping[str, Any] = field(default_factory=dict)  # what run.json says

    def __repr__(self) -> str:
        """What it is, in a line."""
        name, origin = self.network.name, self.runtime.weights_origin
        return f"<{type(self).__name__} {name} · {self.runtime.name} · {origin}>"

    @property
    def name(self) -> str:
        """The folder's own name: what tells two runs apart."""
        return self.folder.resolve().name

    @property
    def network(self) -> Network:
        """The checked model graph."""
        return self.runtime.compiled.network

    @property
    def input_length(self) -> int | None:
        """The one length that the model reads, None where any length will do."""
        return self.network.inputs[0].tensor.shape[0]

    def logits(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Logits (B, T, V) for ids (B, T)."""
        return self.runtime.run({self.network.inputs[0].name: ids})

    @property
    def model(self) -> Model:
        """The live model."""
        from neural_dsl.api import Model

        return Model(self.runtime.compiled, self.runtime)

    @property
    def target(self) -> RunTarget:
        """The run as what is looked at."""
        from neural_dsl.targets.run import RunTarget

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
        from neural_dsl.targets.record import record

        target = self.target
        batch = target.encode() if ids is None else target.reading(ids[0], tokens)
        names = select_layers(self.network, layers)
        return record(target, replace(batch, origin=origin), target.named(names))


def open_run(
    folder: Path,
    weights: str | None = None,
    trust: bool = False,
    backend: str | None = None,
) -> LoadedRun:
    """The run in a folder, on the CPU, with its "best" or "last" weights; by default
    those that its test at the end was made with, and before that the best.

    The code is written anew from the run's `model.neural`, for its own backend, which
    must be installed, or another one. `trust` lets the code of a task of the user's own
    run. Raises NeuralError: NE156 where no run is or nothing was saved yet, NE162 where
    its data has changed, NE163 for code without trust, and what a damaged or foreign
    weights file raises.
    """
    run = prepare_again(folder, trust, backend)
    refuse_changed_data(run)
    names = [checkpoints.BEST, checkpoints.LAST]
    tested = f"{weights or run.about.get('tested')}.safetensors"
    if weights or tested in names:
        names = [tested]
    path = next((folder / n for n in names if (folder / n).exists()), None)
    if path is None:
        raise _no_weights(run, names[0])
    runtime: Any = create_runtime(run.compiled, run.seed)
    found = weights_file.load(path)
    step = int(found.metadata.get("step", 0))
    origin = f"run {folder}, step {step:,}, {path.stem}"
    runtime.load_weights(found.arrays, str(path), origin=origin)
    tell_places(run.network, folder)(runtime.module)
    task = run_task(run.network, runtime.module)
    if run.about.get("layout", 1) == LAYOUT:  # of others `evaluate` asks, which tests
        refuse_other_splits(run.about.get("splits_sha256") or {}, task, folder)
    return LoadedRun(folder, runtime, task, step, path.stem, run.about)


def _no_weights(run: Prepared, asked: str) -> NeuralError:
    """NE156: what was asked for is not there; others may be."""
    folder, others = run.folder, checkpoints.saved_weights(run.folder)
    if not others and run.about.get("status") == "finished":
        file = os.path.normpath(folder / run.about["source"])
        anew = shlex.join([file, "--output-dir", str(folder)])
        return refusal(
            "NE156",
            f"the run in {quoted(folder)} is finished, and its weights are gone",
            help="put back a copy of its .safetensors files, or train anew: `neural "
            f"train {anew} --overwrite`",
        )
    if not others:
        again = f"`neural train {shlex.quote(str(folder))} --resume`"
        return refusal(
            "NE156",
            f"the run in {quoted(folder)} has saved no weights yet",
            help=f"train it first: {again}",
        )
    name, step = next(iter(others.items()))
    of_step = f", of step {step:,}" if step is not None else ""
    stem = name.removesuffix(".safetensors")
    return refusal(
        "NE156",
        f"the run in {quoted(folder)} has no {asked}",
        help=f"it has {name}{of_step}: use that by `--weights {stem}`",
    )
