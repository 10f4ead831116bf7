"""What tells whether a task still deals out the examples that a run began with.

The files of a task are compared by themselves (`data_sha256`); this is for what no file
shows: code that draws its splits anew each time, or another version of NumPy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.files import quoted
from neural_dsl.runs.directory import LAYOUT
from neural_dsl.tasks.checked import failures_named
from neural_dsl.tasks.given import GivenTask
from neural_dsl.tasks.problems import ProblemTask

LOOKED_AT = 200  # examples of each split
SPLITS = ("train", "validation", "test")


def split_digests(task: Any) -> dict[str, str]:
    """Split -> what tells its size and examples, a bounded number all over it."""
    with failures_named(task):
        return {split: _digest(task, split) for split in SPLITS}


def _digest(task: Any, split: str) -> str:
    size = int(task.size(split))
    chosen = np.unique(np.linspace(0, size - 1, LOOKED_AT).astype(np.int64))
    x, y = task.batch(split, chosen)
    found = hashlib.sha256(f"{size}".encode())
    for array in (*(x if isinstance(x, tuple) else (x,)), y):
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def other_split(known: Mapping[str, str], task: Any) -> str | None:
    """The first split that is not what `known` digests tell; a run of before there were
    any knows none."""
    if not known:
        return None
    found = split_digests(task)
    return next((s for s in SPLITS if known.get(s, found[s]) != found[s]), None)


def refuse_drawn_anew(first: Mapping[str, str], again: Any) -> None:
    """Raise NE162 for a user's task that, made again, has other examples."""
    split = other_split(first, again)
    if split is not None:
        raise _others(
            f"`{type(again).__name__}` has other {split} examples each time it is made"
        )


def refuse_other_splits(about: Mapping[str, Any], task: Any, folder: Path) -> None:
    """Raise NE162 for other examples than the run in a folder began with."""
    split = other_split(about.get("splits_sha256") or {}, task)
    if split is not None:
        raise _others(
            f"`{type(task).__name__}` has other {split} examples than when the run in "
            f"{quoted(folder)} began",
            "this version draws them in another way than the one that it began with: "
            "train again"
            if isinstance(task, GivenTask | ProblemTask)
            else SEEDED,
        )


def refuse_unknown_splits(
    about: Mapping[str, Any], task: Any, folder: Path, split: str
) -> None:
    """Raise NE162 for the split of a run of an older layout whose examples were others:
    what is held out now, the model may have been trained on."""
    if about.get("layout", 1) == LAYOUT:
        return
    known = about.get("splits_sha256", {}).get(split)
    if known is None or known != split_digests(task)[split]:
        raise _others(
            f"another version of neural trained the run in {quoted(folder)}, with other "
            f"examples: it may have learnt those of the {split} split",
            "train anew to test; `neural predict` and `neural visualize` use its weights "
            "as they are",
        )


SEEDED = (
    "what was held out can only be told where the splits stay the same: seed every random "
    "choice, as in `np.random.default_rng(0)`"
)


def _others(what: str, help: str = SEEDED) -> NeuralError:
    return refusal("NE162", what, help=help)
