"""A run with its trained weights, ready to answer."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl.backends import create_runtime, weights_file
from neural_dsl.backends.live import BaseRuntime
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.files import quoted
from neural_dsl.ir.nodes import Network
from neural_dsl.runs import checkpoints
from neural_dsl.runs.decoding import greedy
from neural_dsl.runs.prepare import prepare_again, refuse_changed_data
from neural_dsl.runs.task_files import make_task
from neural_dsl.tasks.custom import failures_named, has_answers


@dataclass(frozen=True)
class LoadedRun:
    """`step` is the one whose weights these are; `task` is the emitted file's own."""

    folder: Path
    runtime: BaseRuntime
    task: Any
    step: int
    weights: str

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

    def predict(self, prompts: list[str], place: str = "") -> list[str]:
        """The model's own answers, decoded greedily. `place` says where prompts stand,
        as " in line 3". Raises NeuralError: NE159 for a prompt that the task cannot
        read, NE160 where the task has no answers."""
        refuse_without_answers(self)
        with failures_named(self.task):
            for prompt in prompts:
                refuse_unreadable(self.task, prompt, place)
            return greedy(self.logits, self.task, prompts, self.input_length)


def open_run(
    folder: Path,
    weights: str | None = None,
    trust: bool = False,
    backend: str | None = None,
) -> LoadedRun:
    """The run in a folder, on the CPU, with its "best" or "last" weights; by default
    those that its test at the end was made with, and before that the best.

    Another `backend` than the run's loads the same weights, and the run's need not be
    installed. `trust` lets the code of a task of the user's own run. Raises NeuralError: NE156 where
    no run is or nothing was saved yet, NE162 where its data has changed, NE163 for code
    without trust, and what a damaged or foreign weights file raises.
    """
    run = prepare_again(folder, trust, backend)
    refuse_changed_data(run)
    names = [checkpoints.BEST, checkpoints.LAST]
    if weights:
        names = [f"{weights}.safetensors"]
    elif run.about.get("tested") == "last":
        names = [checkpoints.LAST]
    path = next((folder / n for n in names if (folder / n).exists()), None)
    if path is None:
        raise NeuralError(
            Diagnostic(
                "NE156",
                f"the run in {quoted(folder)} has saved no weights yet",
                help="train it first: "
                f"`neural train {shlex.quote(str(folder))} --resume`",
            )
        )
    runtime: Any = create_runtime(run.compiled, run.seed)
    found = weights_file.load(path)
    step = int(found.metadata.get("step", 0))
    origin = f"run {folder}, step {step:,}, {path.stem}"
    runtime.load_weights(found.arrays, str(path), origin=origin)
    task = make_task(run.network, folder)(runtime.module)
    return LoadedRun(folder, runtime, task, step, path.stem)


def refuse_unreadable(task: Any, prompt: str, place: str = "") -> None:
    """Raise NE159 for a prompt that the task cannot read."""
    try:
        task.encode(prompt)
    except ValueError as error:
        raise NeuralError(
            Diagnostic("NE159", f"the prompt {prompt!r}{place} cannot be read: {error}")
        ) from error


def refuse_without_answers(run: LoadedRun) -> None:
    """Raise NE160 where prompts have no one right answer."""
    if has_answers(run.task):
        return
    language = run.task.measure == "loss" and run.task.causal
    raise NeuralError(
        Diagnostic(
            "NE160",
            f"the task `{type(run.task).__name__}` has no prompts and answers",
            help=f"neural generate {run.folder} --prompt …"
            if language
            else "`neural run` computes the model's output for your arrays, with "
            f"--weights {run.folder / checkpoints.BEST}",
        )
    )
