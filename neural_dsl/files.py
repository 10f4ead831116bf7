"""Writing files so that a reader never meets half of one: under a temporary name in the
folder where they belong, renamed at the end. Until then the old file stands, and a full
disk or a Ctrl-C leaves nothing behind."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from neural_dsl import leftovers
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.diagnostics import refusal
from neural_dsl.source import at_once

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
ADVICE = {
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM), "choose a place that you may write to"
    ),
    **dict.fromkeys(
        (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP), "choose another name"
    ),
    errno.ENXIO: "a pipe is written while another program reads it: start that first",
    errno.ENOSPC: "free some space, or choose another disk",
}
"""What helps against the commonest reasons."""

# Files beside which `python FILE` would not start: what it imports.
IMPORTED_BY_EMITTED_FILES = {"numpy", "safetensors"}.union(
    *(spec.imports for spec in BACKENDS.values())
)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file, or raise NeuralError NE134 and leave what was there."""
    with output_errors(path):
        if is_stream(path):
            with open(path, "wb", opener=at_once) as stream:  # ENXIO: nobody reads it
                stream.write(content)
            return
        target = resolved(path)  # write through a symbolic link, do not replace it
        temporary = temporary_beside(target)
        try:
            with temporary.open("xb") as file:
                leftovers.lock(file.fileno())
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def refuse_unwritable(path: Path) -> None:
    """Raise NE134 now for a file that could not be written later, after slow work."""
    if not is_stream(path):
        with output_errors(path):
            target = resolved(path)
            if target.is_dir():
                raise IsADirectoryError(21, "Is a directory", str(path))
            probe = temporary_beside(target)
            probe.touch(exist_ok=False)
            probe.unlink()


def resolved(path: Path) -> Path:
    """The file that a path leads to through symbolic links. Raises OSError for a circle,
    and for a name with a NUL."""
    try:
        return path.resolve()
    except ValueError as error:
        raise OSError(errno.EINVAL, "it holds a NUL character", str(path)) from error
    except RuntimeError as error:  # what Python says of a circle before 3.13
        words = "the symbolic links lead in a circle"
        raise OSError(errno.ELOOP, words, str(path)) from error


def temporary_beside(target: Path) -> Path:
    """A name for a file that becomes `target`; those that dead processes left go."""
    leftovers.remove(target.parent)
    return target.with_name(f".{target.name[:80]}.{leftovers.mark()}.tmp")


def write_text(path: Path, content: str) -> None:
    """`write_bytes` of UTF-8 text with `\\n` line ends."""
    write_bytes(path, content.encode())


def is_stream(path: Path) -> bool:
    """Whether this is a pipe or a device (`/dev/stdout`), which no rename can fill."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # the latter of a NUL
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


def make_folder(path: Path) -> list[Path]:
    """Make a folder and those around it; the ones that were missing, innermost first.
    Raises NeuralError NE134, which names the one that could not be made."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    for folder in reversed(missing):
        with output_errors(folder):
            folder.mkdir(exist_ok=True)
    return missing


class OutputFolder:
    """A folder that receives several files at once, or none.

    Opening it makes the folder and proves that it can be written, before any slow work.
    Files are written into a hidden folder inside; `commit` moves them into place; what
    was not committed is removed, the folder itself too if it was made here.
    """

    def __init__(self, path: Path):
        self.path = path
        self._staging = path / f".neural-{leftovers.mark()}.tmp"
        with output_errors(path):
            if path.exists() and not path.is_dir():
                raise NotADirectoryError(20, "it is a file, not a folder", str(path))
            self._made = make_folder(path)
            leftovers.remove(path)
            try:
                self._staging.mkdir()
            except OSError:
                self._remove_made()
                raise
            self._held = leftovers.hold(self._staging)

    def __enter__(self) -> OutputFolder:
        return self

    def __exit__(self, _: object, error: BaseException | None, trace: object) -> None:
        if self._held is not None:
            os.close(self._held)
        shutil.rmtree(self._staging, ignore_errors=True)
        if error is not None:
            self._remove_made()
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            with output_errors(self.path):  # whatever library was writing
                raise error

    def _remove_made(self) -> None:
        for folder in self._made:  # innermost first; a folder in use stays
            with suppress(OSError):
                folder.rmdir()

    def staged(self, name: str) -> Path:
        """Where to write the file that will be called `name`."""
        return self._staging / name

    def commit(self) -> list[Path]:
        """Move every staged file into place; their paths, sorted by name."""
        with output_errors(self.path):
            staged = sorted(self._staging.iterdir())
            return [each.replace(self.path / each.name) for each in staged]


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an OSError while writing `path` into NeuralError NE134."""
    try:
        yield
    except OSError as error:
        true, folder = error, path.parent
        if isinstance(error, FileNotFoundError):
            beyond = resolved(path).parent
            folder = beyond if path.is_symlink() else folder
            if beyond.is_dir():  # as in /proc, where it is no such file that is missing
                words = f"nothing new can be made in {quoted(beyond)}"
                true = PermissionError(errno.EPERM, words, str(path))
        advice = {**ADVICE, errno.ENOENT: f"make the folder first: mkdir -p {folder}"}
        help = advice.get(true.errno or 0, "")
        message = f"cannot write {quoted(path)}: {reason(true)}"
        raise refusal("NE134", message, help=help) from error


def quoted(path: Path | str) -> str:
    """A path as a message shows it: in backquotes, control characters escaped."""
    text = str(path)
    return f"`{text if text.isprintable() else ascii(text)[1:-1]}`"


def reason(error: OSError) -> str:
    """The system's own words, in lower case: "no space left on device"."""
    words = error.strerror or str(error)
    return words[:1].lower() + words[1:]


def refuse_shadowing(path: Path) -> None:
    """Raise NeuralError NE135 when a Python file of this name would hide a module.

    `python copy.py` puts its own folder first on the import path, so everything that
    imports `copy`, the frameworks included, would import this file instead.
    """
    taken = {*sys.stdlib_module_names, *IMPORTED_BY_EMITTED_FILES}
    if path.suffix == ".py" and path.stem in taken:
        message = (
            f"a file called `{path.name}` would hide Python's module `{path.stem}`"
        )
        better = quoted(path.with_name(f"{path.stem}_model.py"))
        raise refusal("NE135", message, help=f"call it {better}")


def refuse_overwriting(path: Path, source: Path) -> None:
    """Raise NeuralError NE136 when the output would replace the file that was read, or
    another model: what a command writes is never a `.neural` file."""
    with output_errors(path):
        names = (path, resolved(path))  # a link may lead to one
    help = "choose another name for the output"
    if any(one.suffix in (".neural", ".nr") for one in names):
        message = f"the output {quoted(path)} would be taken for a model"
        help = f"`.neural` and `.nr` files are what commands read; {help}"
        raise refusal("NE136", message, help=help)
    with suppress(OSError):
        if path.samefile(source):
            message = (
                f"the output {quoted(path)} would replace the file it is made from"
            )
            raise refusal("NE136", message, help=help)
