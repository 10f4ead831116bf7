"""A run with its trained weights, ready to answer and to be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from neural_dsl.backends import create_runtime, weights_file
from neural_dsl.backends.live import Runtime
from neural_dsl.diagnostics import refusal
from neural_dsl.files import quoted
from neural_dsl.runs import checkpoints
from neural_dsl.runs.directory import LAYOUT, is_run
from neural_dsl.runs.prepare import prepare_again
from neural_dsl.runs.reading import TaskTarget
from neural_dsl.runs.resuming import other_data
from neural_dsl.runs.task_files import refuse_other_splits, run_task, tell_places
from neural_dsl.targets.base import refuse_options, refused
from neural_dsl.targets.file import Model


class LoadedRun(TaskTarget):
    """What can be asked and looked at; `step` is the one whose `weights` ("best" or
    "last") these are."""

    def __init__(
        self,
        runtime: Runtime,
        folder: Path,
        task: Any,
        step: int = 0,
        weights: str = "best",
        described: Mapping[str, Any] = MappingProxyType({}),
    ):
        """`described` is what run.json says."""
        super().__init__(runtime, folder, task)
        self.step, self.weights, self.described = step, weights, described

    @property
    def name(self) -> str:
        """The folder's own name: what tells two runs apart."""
        return self.folder.resolve().name

    @property
    def model(self) -> Model:
        """The live model."""
        return Model(self.runtime)


def opened(
    given: Any,
    *,
    weights: Any,
    backend: str | None,
    network: Any,
    trust: bool,
    **_: Any,
) -> LoadedRun | None:
    """The run of a folder."""
    if not isinstance(given, Path) or not is_run(given):
        return None
    refuse_options("a run", network)
    if weights not in (None, "best", "last"):
        raise refused(f"a run has no weights {weights!r}", 'they are "best" or "last"')
    return open_run(given, weights, trust, backend)


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
    for changed in other_data(run.about, run.network):
        # The examples that it held out, and what its token ids mean, would be others.
        message = (
            f"{quoted(changed)} has changed since the run in {quoted(folder)} was "
        )
        help = "put back the file as it was, or train again"
        raise refusal("NE162", f"{message}trained on it", help=help)
    names = [checkpoints.BEST, checkpoints.LAST]
    tested = f"{weights or run.about.get('tested')}.safetensors"
    if weights or tested in names:
        names = [tested]
    path = next((folder / n for n in names if (folder / n).exists()), None)
    if path is None:
        raise checkpoints.no_weights(folder, run.about, names[0])
    runtime: Any = create_runtime(run.compiled, run.seed)
    found = weights_file.load(path)
    step = int(found.metadata.get("step", 0))
    origin = f"run {folder}, step {step:,}, {path.stem}"
    runtime.load_weights(found.arrays, str(path), origin=origin)
    tell_places(run.network, folder)(runtime.module)
    task = run_task(run.network, runtime.module)
    if run.about.get("layout", 1) == LAYOUT:  # of others `evaluate` asks, which tests
        refuse_other_splits(run.about.get("splits_sha256") or {}, task, folder)
    return LoadedRun(runtime, folder, task, step, path.stem, run.about)
