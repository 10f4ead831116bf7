"""What a run tells as it goes: one event goes to its log, `metrics.jsonl`, TensorBoard and
whoever looks on."""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
import traceback
import warnings
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from neural_dsl.files import output_errors
from neural_dsl.runs import metrics
from neural_dsl.runs.decoding import Sample

if TYPE_CHECKING:
    from neural_dsl.backends.training import BaseTraining
    from neural_dsl.graph.nodes import Network
    from neural_dsl.runs.prepare import Prepared

LARGEST_LOG = 5_000  # lines of training losses in metrics.jsonl
Measures: TypeAlias = dict[str, float]


class Watcher:
    """Who looks on: the terminal, or a test. This one says nothing."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def started(self, run: Prepared, training: BaseTraining) -> None:
        """Before the first step."""

    def stepped(self, step: int, loss: float, tokens_per_second: float) -> None:
        """The losses up to this step are known."""

    def validated(self, step: int, measures: Measures, samples: list[Sample]) -> None:
        """A validation, with some of its problems and what the model answers."""

    def stopped(self) -> None:
        """After the last step, whatever ended the training."""


class Journal:
    """The records of one start of a run, in its folder: `log-<time>.txt` has the whole
    story, Python's warnings too, each line written at once. Methods raise NeuralError
    NE134 where the folder cannot be written."""

    def __init__(self, folder: Path, watcher: Watcher):
        self.folder, self.watcher = folder, watcher
        self.scalars: Scalars | None = None
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        self.path, number = folder / f"log-{stamp}.txt", 1
        while self.path.exists():  # two starts within one second
            number += 1
            self.path = folder / f"log-{stamp}-{number}.txt"
        with output_errors(self.path):
            self.file = self.path.open("x", encoding="utf-8", buffering=1)

    def __enter__(self) -> Journal:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()

        def warned(
            message: Any, category: Any, filename: str, lineno: int, *_: Any, **__: Any
        ) -> None:
            place = f"({filename}:{lineno})"
            self.write("warning", f"{category.__name__}: {message} {place}")

        warnings.showwarning = warned
        return self

    def __exit__(self, _: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self.write("error", f"{type(error).__name__}: {error}")
            self.text("".join(traceback.format_exception(error)))
        self._warnings.__exit__(None, None, None)
        self.file.close()

    def text(self, text: str) -> None:
        """Lines of the log as they are."""
        with output_errors(self.path):
            self.file.write(text.rstrip("\n") + "\n")

    def write(self, level: str, message: str) -> None:
        """One line of it: time, level, message."""
        stamp = datetime.now().isoformat(" ", "milliseconds")
        self.text(f"{stamp}  {level:<7}  {message}")

    def note(self, text: str) -> None:
        """What the log and the watcher are told."""
        self.write("info", text)
        self.watcher.note(text)

    def begin(self, step: int, total_steps: int) -> None:
        """Go on after a step: what was written beyond it is taken back."""
        self.every = max(1, total_steps // LARGEST_LOG)
        metrics.keep_until(self.folder, step)
        if installed():
            self.scalars = Scalars(self.folder, step + 1)
        else:
            self.write("info", "TensorBoard is not installed: nothing for it written")

    def loss(self, step: int, loss: float, rate: float) -> None:
        """The loss of a step, and the learning rate that it was made with."""
        if step % self.every == 0:
            self._numbers(step, "train", {"loss": loss, "learning_rate": rate})

    def validated(
        self, step: int, seconds: float, measures: Measures, samples: list[Sample]
    ) -> None:
        """A validation after so many seconds of training, and what was answered."""
        shown = {name: value for name, value in measures.items() if name != "count"}
        self._numbers(step, "validation", shown, seconds=round(seconds, 3))
        words = ", ".join(f"{name} {value:.4f}" for name, value in shown.items())
        self.write("info", f"step {step}: validation {words}")
        for sample in samples:
            self.write("sample", sample.line())
        self.watcher.validated(step, measures, samples)

    def _numbers(self, step: int, group: str, values: Measures, **more: float) -> None:
        start = "validation_" if group == "validation" else ""
        named = {f"{start}{name}": value for name, value in values.items()}
        metrics.append(self.folder, step=step, **more, **named)
        if self.scalars is not None:
            self.scalars.write(step, {f"{group}/{k}": v for k, v in values.items()})

    def stopped(self) -> None:
        """No more steps come; the log stays open."""
        self.watcher.stopped()
        if self.scalars is not None:
            self.scalars.file.close()


class Scalars:
    """`tensorboard/`: one file of events; a run that goes on writes another one.

    Written as records of TensorBoard's own format, without a framework: its writers would
    load TensorFlow beside PyTorch. Each is on the disk when the call returns.
    """

    def __init__(self, run: Path, first_step: int):
        """Begin at a step: what an interrupted run wrote from there on is forgotten.
        Raises NeuralError NE134."""
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.events: Any = event_pb2
        host = f"{socket.gethostname()}.{os.getpid()}.{first_step}"
        name = f"events.out.tfevents.{int(time.time()):010d}.{host}"
        self.path = run / "tensorboard" / name
        with output_errors(self.path):
            self.path.parent.mkdir(exist_ok=True)
            self.file = self.path.open("ab")
        self.records: Any = RecordWriter(self.file)
        self._write(file_version="brain.Event:2")
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(step=first_step, session_log=start)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Add numbers by name. Raises NeuralError NE134."""
        found = [{"tag": k, "simple_value": v} for k, v in values.items()]
        self._write(step=step, summary={"value": found})

    def _write(self, **event: Any) -> None:
        record = self.events.Event(wall_time=time.time(), **event)
        with output_errors(self.path):
            self.records.write(record.SerializeToString())
            self.records.flush()


def installed() -> bool:
    """Whether there is a TensorBoard to look with."""
    try:
        return find_spec("tensorboard") is not None
    except ValueError:  # it was taken out of this process
        return False


def heading(
    network: Network, settings: dict[str, Any], versions: dict[str, str]
) -> str:
    """The start of a log: what is trained, how, and on what."""
    lines = [f"model: {network.name}, {network.parameter_count:,} parameters"]
    for layer in network.layers():
        row = f"  {layer.name:<32} {layer.type:<24} {tuple(layer.output.shape)!s:<16}"
        lines.append(f"{row} {layer.parameter_count:>10,}")
    lines += ["settings:", *(f"  {name}: {value}" for name, value in settings.items())]
    lines.append(f"command: {' '.join(sys.argv)}")
    lines.append(f"machine: {platform.platform()}, Python {platform.python_version()}")
    lines.append("versions: " + ", ".join(f"{k} {v}" for k, v in versions.items()))
    return "\n".join(lines)
