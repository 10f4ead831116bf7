"""One watcher at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from neural_dsl.backends.base import Watcher


@contextmanager
def paused(watcher: Watcher | None) -> Iterator[None]:
    """While this lasts, the watcher does nothing: another one gates in its place."""
    if watcher is None:
        yield
        return
    watcher.paused = True
    try:
        yield
    finally:
        watcher.paused = False
