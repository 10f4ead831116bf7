"""The folder of a run: its files, `run.json`, and that only one process trains in it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.files import make_folder, output_errors, quoted, reason, write_text

PREPARING = "preparing"
ABOUT, SOURCE, CODE = "run.json", "model.neural", "train.py"
TOKENIZER = "tokenizer.json"  # of a text in parts of words
KEPT = {
    "Custom": {"path": "task.py"},
    "Text": {"path": "text.txt", "tokenizer": TOKENIZER},
}
"""Task -> parameter -> the run's own copy of that file. Arrays may be large: they stay."""
KEPT_FILES = tuple(name for names in KEPT.values() for name in names.values())


def is_run(folder: Path) -> bool:
    """Whether `neural train` made this folder."""
    return (folder / ABOUT).is_file()


def create(folder: Path) -> list[Path]:
    """Make the folder of a new run, and tell which folders had to be made, the innermost
    first. Raises NeuralError: NE150 when something stands there already, NE134 when it
    cannot be made or written."""
    if is_run(folder):
        raise NeuralError(
            Diagnostic(
                "NE150",
                f"there is a run in {quoted(folder)} already",
                help="go on with it by --resume, or choose another folder by "
                f"`--output-dir {shlex.quote(f'{folder}-2')}`",
            )
        )
    with output_errors(folder):
        if folder.is_dir() and any(not _leftover(path) for path in folder.iterdir()):
            raise NeuralError(
                Diagnostic(
                    "NE150",
                    f"the folder {quoted(folder)} is not empty, and no run",
                    help="choose another folder by --output-dir",
                )
            )
        return make_folder(folder)


def _leftover(path: Path) -> bool:
    """Whether this may be what is left of a run that was killed before its `run.json`."""
    made = (".lock", SOURCE, CODE, *KEPT_FILES)
    return path.name in made or path.name.startswith(
        ("log-", *(f".{n}." for n in made))
    )


@contextmanager
def removed_unless_begun(
    folder: Path, about: dict[str, Any], made: list[Path]
) -> Iterator[None]:
    """Leave no folder behind when a run fails before its first step: its own, and those
    `made` for it."""
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


def read_about(folder: Path) -> dict[str, Any]:
    """What `run.json` says. Raises NeuralError NE156 where there is none to read."""
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        if not isinstance(about, dict):
            raise ValueError("it holds no object")
    except (OSError, ValueError) as error:
        if not folder.exists():
            what = "no such folder"
        elif not folder.is_dir():
            what = "it is a file"
        elif not (folder / ABOUT).exists():
            what = f"it has no {ABOUT}"
        elif isinstance(error, OSError):
            what = f"{ABOUT}: {reason(error)}"
        else:
            what = f"its {ABOUT} is damaged"
        raise NeuralError(
            Diagnostic(
                "NE156",
                f"{quoted(folder)} is not the folder of a run: {what}",
                help="`neural train FILE` makes one, by default under runs/",
            )
        ) from error
    return about


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """Write `run.json`. Raises NeuralError NE134."""
    write_text(folder / ABOUT, json.dumps(about, indent=2, default=str) + "\n")


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep other processes from training here; the lock dies with its process.

    Raises NeuralError NE158 when one does already.
    """
    path = folder / ".lock"
    with output_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has no such locks
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise NeuralError(
            Diagnostic(
                "NE158",
                f"another process is training in {quoted(folder)}",
                help="wait for it, stop it, or choose another folder by --output-dir",
            )
        ) from None
    except OSError:  # a file system without locks
        return
