"""Temporary files that a killed process left in a folder, and how they are known.

A temporary name carries the number of the process that writes it, and the file is locked
meanwhile, for processes that cannot see each other, as in two containers. What belongs to
no living process and can be locked goes when somebody writes into the folder next.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

NAME = re.compile(r"\..*[.-](?P<process>\d+)-[0-9a-f]{8}\.tmp", re.DOTALL)


def mark() -> str:
    """What stands in a temporary name: this process, and a number of its own."""
    return f"{os.getpid()}-{secrets.token_hex(4)}"


def lock(descriptor: int) -> bool:
    """Lock an open file or folder until it is closed; whether nobody else had."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        # Windows, where an open file cannot be removed anyway, or a file system without
        # locks: the number of the process must do.
        pass
    return True


def hold(folder: Path) -> int | None:
    """Lock a folder until what this gives, if anything, is closed."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        lock(descriptor)
        return descriptor
    return None


def remove(folder: Path) -> None:
    """Remove what dead processes left in a folder; what cannot be removed stays."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            found = NAME.fullmatch(entry.name)
            if found and not _lives(int(found["process"])) and _unlocked(entry.path):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    Path(entry.path).unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        if process != os.getpid():
            os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        pass
    return True


def _unlocked(path: str) -> bool:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            return lock(descriptor)
        finally:
            os.close(descriptor)
    return False
