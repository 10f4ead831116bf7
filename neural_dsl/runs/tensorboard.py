"""`tensorboard/`: the numbers of a run as TensorBoard reads them, where it is installed.

Written as records of its own format, without a framework: TensorBoard's writers would
load TensorFlow beside PyTorch. Each line is on the disk when the call returns.
"""

from __future__ import annotations

import os
import socket
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from neural_dsl.files import output_errors

FOLDER = "tensorboard"
FORMAT = "brain.Event:2"


class Scalars:
    """One file of events; a run that goes on writes another one."""

    def __init__(self, run: Path, first_step: int):
        """Begin at a step: what an interrupted run wrote from there on is forgotten.

        Raises NeuralError NE134.
        """
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.events: Any = event_pb2
        host = f"{socket.gethostname()}.{os.getpid()}.{first_step}"
        self.path = run / FOLDER / f"events.out.tfevents.{int(time.time()):010d}.{host}"
        with output_errors(self.path):
            self.path.parent.mkdir(exist_ok=True)
            self.file = self.path.open("ab")
        self.records: Any = RecordWriter(self.file)
        self._write(file_version=FORMAT)
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(step=first_step, session_log=start)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Add numbers by name. Raises NeuralError NE134."""
        summary = {"value": [{"tag": k, "simple_value": v} for k, v in values.items()]}
        self._write(step=step, summary=summary)

    def close(self) -> None:
        """Nothing more will be written."""
        self.file.close()

    def _write(self, **event: Any) -> None:
        record = self.events.Event(wall_time=time.time(), **event)
        with output_errors(self.path):
            self.records.write(record.SerializeToString())
            self.records.flush()


def scalars(run: Path, first_step: int) -> Scalars | None:
    """A writer for a run's folder; None where TensorBoard is not installed."""
    return Scalars(run, first_step) if installed() else None


def installed() -> bool:
    """Whether there is a TensorBoard to look with."""
    try:
        return find_spec("tensorboard") is not None
    except ValueError:  # it was taken out of this process
        return False
