"""What a run leaves on disk so that it can go on: weights, and the whole state.

Every file is written whole or not at all, and `state.safetensors` last: it is the one
that resuming reads, so a kill between two files costs nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from neural_dsl.backends import weights_file
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.files import quoted, write_bytes

if TYPE_CHECKING:
    from neural_dsl.backends.base import Arrays
    from neural_dsl.backends.training import BaseTraining

BEST, LAST, STATE = "best.safetensors", "last.safetensors", "state.safetensors"


@dataclass
class Progress:
    """What `neural train` itself must know to go on; the rest is `Training.state()`."""

    step: int = 0
    best: list[float] | None = None  # the task's measure, then minus the loss
    best_step: int = 0
    seconds: float = 0.0


class NotFinite(Exception):
    """What the weights, or what the model makes of them, holds NaN or infinity: nothing
    to save. The message says which it is."""


def save(
    folder: Path, training: BaseTraining, progress: Progress, measures: dict[str, float]
) -> None:
    """Save the last weights and the state; the best weights too, when they are these.

    Raises NotFinite before anything is written, and NeuralError NE134.
    """
    state = training.state()
    if not all(_finite(array) for name, array in state.items() if _matters(name)):
        raise NotFinite("the weights became NaN or infinite")
    if not measures and not training.gives_numbers():  # no validation has seen them
        raise NotFinite("the model's output became NaN or infinite")
    weights = training.runtime.weights()
    about = {"step": str(progress.step)} | {k: repr(v) for k, v in measures.items()}
    encoded = weights_file.encoded(weights, about)
    if progress.best_step == progress.step and progress.step > 0:
        write_bytes(folder / BEST, encoded)
    write_bytes(folder / LAST, encoded)
    metadata = {"progress": json.dumps(asdict(progress))}
    write_bytes(folder / STATE, weights_file.encoded(state, metadata))


def load(folder: Path) -> tuple[Arrays, Progress] | None:
    """The saved state, or None where there is none. Raises NeuralError NE155 for a
    file that is no such state."""
    path = folder / STATE
    if not path.exists():
        return None
    try:
        found = weights_file.load(path)
        progress = Progress(**json.loads(found.metadata["progress"]))
    except (NeuralError, KeyError, TypeError, ValueError) as error:
        raise damaged(path) from error
    return found.arrays, progress


def damaged(path: Path) -> NeuralError:
    """NE155: a checkpoint that cannot be what this program wrote."""
    return NeuralError(
        Diagnostic(
            "NE155",
            f"the checkpoint {quoted(path)} is damaged",
            help="put back a copy of it, or remove it to start the run afresh with --resume",
        )
    )


def _matters(name: str) -> bool:
    return name.startswith(("model.", "optimizer."))


def _finite(array: npt.NDArray[np.generic]) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())
