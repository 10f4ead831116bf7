"""The folder of a run: its files, `run.json`, and that only one process trains in it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypedDict, get_args, get_origin, get_type_hints

from neural_dsl import leftovers
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.files import make_folder, output_errors, quoted, reason
from neural_dsl.source import read_regular

LAYOUT = 2
"""What a run's folder and its state hold. 1 (not written down): problems were dealt out
to the splits, and the emitted script kept its own state. 2: a problem's split is a hash
of it, and the package keeps the state."""
PREPARING = "preparing"
ABOUT, SOURCE, CODE = "run.json", "model.neural", "train.py"
TOKENIZER = "tokenizer.json"  # of a text in parts of words
KEPT = {
    "Custom": {"path": "task.py"},
    "Text": {"path": "text.txt", "tokenizer": TOKENIZER},
}
"""Task -> parameter -> the run's own copy of that file. Arrays may be large: they stay."""
FOLDERS = ("attention", "tensorboard")
RESULTS = (
    *("metrics.jsonl", "loss_curves.png"),
    *("best.safetensors", "last.safetensors", "state.safetensors"),
)
KEPT_FILES = tuple(name for names in KEPT.values() for name in names.values())


def is_run(folder: Path) -> bool:
    """Whether `neural train` made this folder."""
    return (folder / ABOUT).is_file()


def create(folder: Path, overwrite: bool = False, force: bool = False) -> list[Path]:
    """Make the folder of a new run, and tell which folders had to be made, the innermost
    first. To `overwrite` removes a finished run that stands there, with `force` any, and
    nothing else. Raises NeuralError: NE150 when something stands there already, NE158
    while it is trained, NE134 when it cannot be made or written."""
    emptied = overwrite and is_run(folder)
    if emptied:
        _remove_run(folder, force)
    if is_run(folder):
        which, first = "run", "go on with it by --resume"
        if read_about(folder).get("status") == "finished":
            which, first = "finished run", "train anew in its place by --overwrite"
        another = f"`--output-dir {shlex.quote(f'{folder}-2')}`"
        message = f"there is a {which} in {quoted(folder)} already"
        help = f"{first}, or choose another folder by {another}"
        raise refusal("NE150", message, help=help)
    with output_errors(folder):
        others = folder.iterdir() if folder.is_dir() and not emptied else ()
        if any(not _leftover(path) for path in others):
            message = f"the folder {quoted(folder)} is not empty, and no run"
            help = "choose another folder by --output-dir"
            raise refusal("NE150", message, help=help)
        return make_folder(folder)


def _remove_run(folder: Path, force: bool) -> None:
    about = read_about(folder)
    if about.get("status") != "finished" and not force:
        at = f"it is at step {about.get('step', 0):,}"
        message = f"the run in {quoted(folder)} is not finished: {at}"
        help = "go on with it by --resume, or give it up by --overwrite --force"
        raise refusal("NE150", message, help=help)
    with only_one(folder), output_errors(folder):
        sweep(folder)
        for name in FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
        names = {ABOUT, *RESULTS}
        made = [p for p in folder.iterdir() if p.name in names or _leftover(p)]
        # What says that a run is here goes last: a kill leaves one that can be removed.
        for path in sorted(made, key=lambda path: path.name == ABOUT):
            path.unlink()


def sweep(folder: Path) -> None:
    """Remove what a kill left half-written. Only for who holds the run's lock."""
    for place in (folder, *(folder / name for name in FOLDERS)):
        for path in place.glob(".*.tmp"):
            path.unlink(missing_ok=True)
        for path in place.glob(".neural-*"):
            shutil.rmtree(path, ignore_errors=True)


def _leftover(path: Path) -> bool:
    """Whether this may be what is left of a run that was killed before its `run.json`."""
    made = (".lock", SOURCE, CODE, *KEPT_FILES)
    starts = ("log-", *(f".{name}." for name in made))
    return path.name in made or path.name.startswith(starts)


class About(TypedDict, total=False):
    """What `run.json` says, in the order in which it is learnt."""

    layout: int
    network: str | None
    source: str
    source_sha256: str
    backend: str
    settings: list[str]
    data_sha256: dict[str, str]
    kept: list[str]
    code_sha256: str | None
    status: str
    step: int
    best_step: int
    best: list[float] | None
    seconds: float
    splits_sha256: dict[str, str]
    versions: dict[str, str]
    seed: int
    device: str
    test: dict[str, float]
    tested: str


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value is of the kind that training writes; numbers may be of any."""
    outer, inner = get_origin(kind) or kind, get_args(kind)
    if outer is list:
        return type(value) is list and all(_fits(each, inner[0]) for each in value)
    if inner and outer is not dict:
        return any(_fits(value, each) for each in inner)
    return outer is float or type(value) is outer


@contextmanager
def trained_in(folder: Path, about: About, made: list[Path]) -> Iterator[None]:
    """Have the folder alone, and leave none behind when a run fails before its first step:
    neither its own, nor those `made` for it. Raises NeuralError NE158."""
    with only_one(folder):
        sweep(folder)
        try:
            yield
        finally:
            if about.get("status", PREPARING) == PREPARING:
                for path in folder.iterdir():
                    if _leftover(path) or path.name == ABOUT:
                        path.unlink()
                with suppress(OSError):  # not empty: it holds what others put there
                    for path in dict.fromkeys((folder, *made)):
                        path.rmdir()


def read_about(folder: Path) -> About:
    """What `run.json` says. Raises NeuralError NE156 where there is none to read."""
    try:
        found, kinds = json.loads(read_regular(folder / ABOUT)), get_type_hints(About)
        if not all(_fits(found[k], kinds[k]) for k in kinds.keys() & found.keys()):
            raise ValueError("it does not hold what it should")
        about: About = found
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        what = f"its {ABOUT} is damaged"
        if isinstance(error, NotADirectoryError) and folder.is_file():
            what = "it is a file"
        elif isinstance(error, FileNotFoundError | NotADirectoryError):
            what = f"it has no {ABOUT}" if folder.is_dir() else "no such folder"
        elif isinstance(error, OSError):
            what = f"{ABOUT}: {reason(error)}"
        message = f"{quoted(folder)} is not the folder of a run: {what}"
        help = "`neural train FILE` makes one, by default under runs/"
        raise refusal("NE156", message, help=help) from error
    return about


def no_whole_run(folder: Path, why: str) -> NeuralError:
    """NE156: a folder that a training began, and something has damaged."""
    message = f"{quoted(folder)} is not the folder of a whole run: {why}"
    return refusal("NE156", message, help="train again, into another folder")


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep other processes from training here; the lock dies with its process.

    Raises NeuralError NE158 when one does already.
    """
    path = folder / ".lock"
    with output_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    if not leftovers.lock(descriptor):
        os.close(descriptor)
        help = "wait for it, stop it, or choose another folder by --output-dir"
        message = f"another process is training in {quoted(folder)}"
        raise refusal("NE158", message, help=help)
    try:
        yield
    finally:
        os.close(descriptor)
