"""A run with its trained weights, ready to answer and to be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.record import check_batch_item
from neural_dsl.backends import create_runtime, weights_file
from neural_dsl.backends.live import Runtime
from neural_dsl.diagnostics import refusal
from neural_dsl.files import quoted
from neural_dsl.runs import checkpoints
from neural_dsl.runs.directory import LAYOUT, is_run
from neural_dsl.runs.prepare import prepare_again
from neural_dsl.runs.resuming import other_data
from neural_dsl.runs.task_files import refuse_other_splits, run_task, tell_places
from neural_dsl.targets.base import Batch, Given, refuse_options, refused
from neural_dsl.targets.file import Model
from neural_dsl.targets.network import NetworkTarget


def as_prompt(given: Any) -> str:
    """The prompt, which is text. Raises NeuralError NE112."""
    if isinstance(given, str):
        return given
    raise refused(f"a prompt is text, not {given!r}", 'such as "dabc:"')


class LoadedRun(NetworkTarget):
    """What can be asked and looked at: `step` is the one whose `weights` ("best" or
    "last") these are; `task` is the package's own, whose examples are the emitted file's.
    """

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
        super().__init__(runtime)
        self.folder, self.task, self.described = folder, task, described
        self.step, self.weights = step, weights

    @property
    def name(self) -> str:
        """The folder's own name: what tells two runs apart."""
        return self.folder.resolve().name

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
        return Model(self.runtime)

    def encode(self, given: Given) -> Batch:
        """A prompt, which the run answers; or whatever a network reads; without both the
        first problem of the test split. Labelled with the task's symbols."""
        from neural_dsl.runs import prompted

        prompt = given.prompt
        if given.data is not None:
            if prompt is not None:
                raise refused("a run reads a prompt, or data", "leave one of them out")
            return super().encode(given)
        if given.tokens is not None:
            raise refused(
                "the tokens of a run are its task's symbols, which labels would hide",
                "give the text as `prompt`, or arrays as `data`",
            )
        check_batch_item(given.item, 1)
        if prompt is None:
            reading, origin = prompted.read_held_out(self), "first held-out problem"
        else:
            reading = prompted.read_prompt(self, as_prompt(prompt))
            origin = f'prompt "{prompted.shortened(prompt)}"'
        return prompted.batch_of(self, reading, origin)

    def sequence(self, ids: Sequence[int]) -> Batch:
        """One sequence of token ids, each labelled with its symbol. A model that takes any
        length runs as it is; one of a fixed length is built anew."""
        name = self.network.inputs[0].name
        arrays = {name: np.array([ids], dtype=np.int64)}
        tokens = {name: (tuple(self.task.symbols[id] for id in ids),)}
        if self.input_length is None:
            return Batch(arrays, tokens, network=self.network)
        return replace(super().encode(Given(arrays)), tokens=tokens)

    def example(self) -> Batch:
        """The first example of the test split, as the task gives it."""
        x = self.task.batch("test", np.arange(1))[0]
        parts = x if isinstance(x, tuple) else (x,)
        origin = "first test example"
        if len(parts) == 1 and parts[0].dtype.kind in "iu" and self.task.symbols:
            return replace(self.sequence(parts[0][0].tolist()), origin=origin)
        names = [item.name for item in self.network.inputs]
        return Batch(dict(zip(names, parts, strict=True)), origin=origin)


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
