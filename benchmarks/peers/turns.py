"""Trainings that take turns, so that whatever else the machine does slows all of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass
class Contestant:
    """A training: each item of `losses` is a step. `seconds` are those of its blocks."""

    name: str
    losses: Iterator[Any]
    parameters: int
    clock: Callable[[], float] = field(default=time.perf_counter, repr=False)
    first: float = math.nan
    last: float = math.nan
    seconds: list[float] = field(default_factory=list)

    def block(self, steps: int) -> float:
        """Take some steps; the seconds they took. Reading the loss waits for the device."""
        began = self.clock()
        for _ in range(steps):
            loss = next(self.losses)
        self.last = float(loss)
        return self.clock() - began

    def warm_up(self, steps: int) -> None:
        """The first steps, which nobody measures."""
        self.first = float(next(self.losses))
        self.block(steps)


def take_turns(
    blocks: list[Callable[[], float]], rounds: int
) -> Iterator[tuple[int, float]]:
    """The seconds of blocks, by number, each round beginning with another one."""
    for turn in range(rounds):
        for place in range(len(blocks)):
            number = (turn + place) % len(blocks)
            yield number, blocks[number]()


def ratio(ours: list[float], theirs: list[float]) -> float:
    """How many times as fast ours is: the median over the rounds."""
    return median(b / a for a, b in zip(ours, theirs, strict=True))
