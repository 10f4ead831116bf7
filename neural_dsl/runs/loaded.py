"""A run with its trained weights, ready to answer."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl.backends import create_runtime, weights_file
from neural_dsl.backends.live import Runtime
from neural_dsl.diagnostics import Diagnostic, NeuralError, refusal
from neural_dsl.files import quoted
from neural_dsl.graph.nodes import Network
from neural_dsl.runs import checkpoints
from neural_dsl.runs.decoding import greedy
from neural_dsl.runs.directory import LAYOUT, SOURCE
from neural_dsl.runs.prepare import prepare_again
from neural_dsl.runs.resuming import refuse_changed_data
from neural_dsl.runs.splits import refuse_other_splits
from neural_dsl.runs.task_files import run_task, tell_places
from neural_dsl.tasks.arithmetic import Arithmetic
from neural_dsl.tasks.checked import failures_named
from neural_dsl.tasks.custom import has_answers
from neural_dsl.tasks.sequences import SequenceTask


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

    def predict_readable(
        self, prompts: Sequence[tuple[str, str]]
    ) -> tuple[list[str | None], list[Diagnostic]]:
        """The answers, None for each prompt that the task cannot read, and why not
        (NE159). A prompt comes with its place, as " in line 3". Raises NeuralError NE160
        where the task has no answers."""
        refuse_without_answers(self)
        found: list[str | None] = [None] * len(prompts)
        refused: list[Diagnostic] = []
        readable: list[int] = []
        with failures_named(self.task):
            for number, (prompt, place) in enumerate(prompts):
                try:
                    refuse_unreadable(self.task, prompt, place)
                    readable.append(number)
                except NeuralError as error:
                    if error.diagnostics[0].code != "NE159":
                        raise
                    refused += error.diagnostics
            given = [prompts[number][0] for number in readable]
            answers = greedy(self.logits, self.task, given, self.input_length)
        for number, answer in zip(readable, answers, strict=True):
            found[number] = answer
        return found, refused


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
        raise _no_weights(folder, names)
    runtime: Any = create_runtime(run.compiled, run.seed)
    found = weights_file.load(path)
    step = int(found.metadata.get("step", 0))
    origin = f"run {folder}, step {step:,}, {path.stem}"
    runtime.load_weights(found.arrays, str(path), origin=origin)
    tell_places(run.network, folder)(runtime.module)
    task = run_task(run.network, runtime.module)
    if run.about.get("layout", 1) == LAYOUT:  # of others `evaluate` asks, which tests
        refuse_other_splits(run.about, task, folder)
    return LoadedRun(folder, runtime, task, step, path.stem, run.about)


def _no_weights(folder: Path, names: list[str]) -> NeuralError:
    """NE156: what was asked for is not there; others may be."""
    quoted_folder = shlex.quote(str(folder))
    others = checkpoints.saved_weights(folder)
    if not others:
        return refusal(
            "NE156",
            f"the run in {quoted(folder)} has saved no weights yet",
            help=f"train it first: `neural train {quoted_folder} --resume`",
        )
    name, step = next(iter(others.items()))
    of_step = f", of step {step:,}" if step is not None else ""
    return refusal(
        "NE156",
        f"the run in {quoted(folder)} has no {names[0]}",
        help=f"it has {name}{of_step}: use that by "
        f"`--weights {name.removesuffix('.safetensors')}`",
    )


def refuse_unreadable(task: Any, prompt: str, place: str = "") -> None:
    """Raise NE159 for a prompt that the task cannot read."""
    foreign = next((one for one in prompt if "\udc80" <= one <= "\udcff"), None)
    if foreign is not None:  # how Python hands on a byte that it cannot decode
        byte, where = ord(foreign) - 0xDC00, prompt.index(foreign) + 1
        raise refusal(
            "NE159",
            f"the prompt{place} is no text in UTF-8: its character {where} is the "
            f"byte 0x{byte:02x}",
            help="texts in other encodings: `iconv -f latin1 -t utf-8`",
        )
    try:
        task.encode(prompt)
    except ValueError as error:
        raise refusal(
            "NE159", f"the prompt {prompt!r}{place} cannot be read: {error}"
        ) from error


def beyond_training(task: Any, prompt: str) -> str:
    """Says when a prompt that the task can read is of a kind that it never trains on: a
    sequence of another length, a number outside the task's; "" otherwise."""
    if isinstance(task, Arithmetic):
        numbers = [int(each) for each in re.findall(r"\d+", prompt)]
        outside = [each for each in numbers if not 1 <= each <= task.max_number]
        if not outside:
            return ""
        return (
            f"no problem with {outside[0]} was trained on, only numbers from 1 to "
            f"{task.max_number}"
        )
    if not isinstance(task, SequenceTask):
        return ""
    length = int(task.source(prompt).shape[1])
    if task.shortest <= length <= task.longest:
        return ""
    ranged = task.shortest < task.longest
    known = f"{task.shortest} to {task.longest}" if ranged else f"{task.longest}"
    return f"no sequence of length {length} was trained on, only of length {known}"


def refuse_without_answers(run: LoadedRun) -> None:
    """Raise NE160 where prompts have no one right answer."""
    if has_answers(run.task):
        return
    raise refusal(
        "NE160",
        f"the task `{type(run.task).__name__}` has no prompts and answers",
        help=instead(run),
    )


def instead(run: LoadedRun) -> str:
    """What a run without prompts and answers can be asked for."""
    folder = shlex.quote(str(run.folder))
    if getattr(run.task, "tokenizer", None) is not None:
        return f"`neural generate {folder} --prompt …` goes on with a text"
    source = Path(run.network.source.name)
    if not source.is_file():  # the run keeps everything that its own copy names
        source = run.folder / SOURCE
    weights = run.folder / f"{run.weights}.safetensors"
    return (
        f"`neural evaluate {folder}` tests it; `neural run {shlex.quote(str(source))} "
        f"--data x.npy --weights {shlex.quote(str(weights))}` computes the model's "
        "output for arrays"
    )
