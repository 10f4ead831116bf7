"""What a run leaves on disk so that it can go on: weights, and the whole state, which is
written first: it holds the weights too, so what a kill between two files leaves behind is
mended when the run goes on, and weights never stand without the state that made them."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neural_dsl.backends import weights_file
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.files import quoted, write_bytes
from neural_dsl.runs.directory import About

if TYPE_CHECKING:
    from neural_dsl.backends.canonical import Arrays
    from neural_dsl.backends.training import BaseTraining

BEST, LAST, STATE = "best.safetensors", "last.safetensors", "state.safetensors"


@dataclass
class Progress:
    """What `neural train` itself must know to go on; the rest is `Training.state()`."""

    step: int = 0
    best: list[float] | None = None  # the task's measure, then minus the loss
    best_step: int = 0
    seconds: float = 0.0

    @property
    def names(self) -> list[str]:
        """The files that hold the weights of this very step."""
        best = self.best_step == self.step and self.step > 0
        return [BEST, LAST] if best else [LAST]


def save(
    folder: Path, training: BaseTraining, progress: Progress, measures: dict[str, float]
) -> str:
    """Save the state and the last weights; the best weights too, when they are these; or
    nothing where weights, or what the model makes of them, hold NaN or infinity: it says
    which. Raises NeuralError NE134."""
    state = training.state()
    for name, array in state.items():
        matters = name.startswith(("model.", "optimizer.")) and array.dtype.kind == "f"
        if matters and not np.isfinite(array).all():
            return "the weights became NaN or infinite"
    if not measures and not training.gives_numbers():  # no validation has seen them
        return "the model's output became NaN or infinite"
    about = {"step": str(progress.step)} | {k: repr(v) for k, v in measures.items()}
    metadata = {"progress": json.dumps(asdict(progress)), "about": json.dumps(about)}
    write_bytes(folder / STATE, weights_file.encoded(state, metadata))
    _write_weights(folder, training, progress.names, about)
    return ""


def _write_weights(
    folder: Path, training: BaseTraining, names: list[str], about: dict[str, str]
) -> None:
    encoded = weights_file.encoded(training.runtime.weights(), about)
    for name in names:
        write_bytes(folder / name, encoded)


def take_up(
    folder: Path, training: BaseTraining, state: Arrays, progress: Progress
) -> Progress:
    """Go on from what `load` gave; the weights that a kill or a full disk kept from
    following it are written. Raises NeuralError: NE155 for the state of another training,
    NE134."""
    try:
        training.load_state(state)
    except (KeyError, ValueError, RuntimeError) as error:
        raise damaged(folder / STATE) from error
    late = [n for n in progress.names if _step(folder / n) != progress.step]
    if late:
        kept = weights_file.load(folder / STATE).metadata.get("about")
        about = json.loads(kept) if kept else {"step": str(progress.step)}
        _write_weights(folder, training, late, about)
    return progress


def saved_weights(folder: Path) -> dict[str, int | None]:
    """The weights files of a run -> the step of each, None where it cannot be read."""
    names = [name for name in (BEST, LAST) if (folder / name).exists()]
    return {name: _step(folder / name) for name in names}


def _step(path: Path) -> int | None:
    with suppress(NeuralError, KeyError, ValueError):
        return int(weights_file.load(path).metadata["step"])
    return None


def refuse_weights_alone(folder: Path) -> None:
    """Raise NE155 where a run has weights and no state: starting afresh would replace
    them, and there is nothing to go on from."""
    found = saved_weights(folder)
    if found and not (folder / STATE).exists():
        of_step = {n: "" if s is None else f" of step {s:,}" for n, s in found.items()}
        listed = " and ".join(name + words for name, words in of_step.items())
        message = f"has no {STATE} to go on from, but it has {listed}"
        help = _another(folder, f"put back a copy of {STATE}")
        raise refusal("NE155", f"the run in {quoted(folder)} {message}", help=help)


def no_weights(folder: Path, about: About, asked: str) -> NeuralError:
    """NE156: what was asked for is not there; others may be."""
    run, others = f"the run in {quoted(folder)}", saved_weights(folder)
    if others:
        name, step = next(iter(others.items()))
        of_step = f", of step {step:,}" if step is not None else ""
        stem = name.removesuffix(".safetensors")
        help = f"it has {name}{of_step}: use that by `--weights {stem}`"
        return refusal("NE156", f"{run} has no {asked}", help=help)
    if about.get("status") != "finished":
        again = f"`neural train {shlex.quote(str(folder))} --resume`"
        help = f"train it first: {again}"
        return refusal("NE156", f"{run} has saved no weights yet", help=help)
    file = os.path.normpath(folder / about["source"])
    anew = shlex.join(["neural", "train", file, "--output-dir", str(folder)])
    help = "put back a copy of its .safetensors files, or train anew: "
    help += f"`{anew} --overwrite`"
    return refusal("NE156", f"{run} is finished, and its weights are gone", help=help)


def _another(folder: Path, first: str) -> str:
    again = shlex.quote(f"{folder}-2")
    return (
        f"{first}, or train anew into another folder by `--output-dir {again}`; "
        f"`neural evaluate {shlex.quote(str(folder))}` uses the weights as they are"
    )


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
    help = _another(path.parent, "put back a copy of it")
    return refusal("NE155", f"the checkpoint {quoted(path)} is damaged", help=help)
