"""Silence for what C++ code writes straight to file descriptor 2."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep stderr clean while a framework loads; when that fails, show what it wrote.

    TensorFlow reports every missing GPU library before any of its settings for logging
    is read, so only the descriptor itself can be silenced.
    """
    with tempfile.TemporaryFile() as kept:
        try:
            sys.stderr.flush()
            stderr = os.dup(2)
        except (AttributeError, OSError, ValueError):  # there is no stderr
            yield
            return
        os.dup2(kept.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            with suppress(AttributeError, OSError, ValueError):
                sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            if failed:
                kept.seek(0)
                with suppress(OSError):
                    os.write(2, kept.read())
