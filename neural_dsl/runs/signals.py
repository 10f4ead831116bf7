"""Ctrl-C and termination as wishes that a training grants after the step it is at."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def stop_wishes() -> Iterator[list[int]]:
    """Signals to stop, collected so that the step that runs is finished first.

    The second Ctrl-C no longer waits. Outside the main thread signals stay as they are.
    """
    wishes: list[int] = []

    def wish(number: int, frame: FrameType | None) -> None:
        if wishes:
            raise KeyboardInterrupt
        wishes.append(number)

    before = {}
    with suppress(ValueError):  # not the main thread
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, wish)
    try:
        yield wishes
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
