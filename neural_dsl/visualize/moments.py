"""What the pictures of a training are made from: the attention at some of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from neural_dsl.attention.record import AttentionRecord

EXPECTED = "mass on expected cells"


@dataclass(frozen=True)
class Moment:
    """The attention at one step, and what was measured then: loss, exact match."""

    step: int
    record: AttentionRecord
    measured: str = ""


def spread(moments: Sequence[Moment], most: int) -> list[Moment]:
    """The first, the last, and of the others more where more happens.

    Half of the way between the chosen ones is counted in moments, half in how far the
    weights moved.
    """
    if len(moments) <= most:
        return list(moments)
    moved = [0.0]
    for before, after in pairwise(moments):
        pairs = zip(before.record.layers, after.record.layers, strict=True)
        moved.append(sum(float(np.abs(b.weights - a.weights).sum()) for a, b in pairs))
    way = np.cumsum(moved)
    way = way / (way[-1] or 1.0) + np.linspace(0, 1, len(moments))
    chosen = {0, len(moments) - 1}
    for goal in np.linspace(0, way[-1], most)[1:-1]:
        free = [index for index in range(len(moments)) if index not in chosen]
        chosen.add(min(free, key=lambda index: abs(way[index] - goal)))
    return [moments[index] for index in sorted(chosen)]


def origin(moments: Sequence[Moment], run: str) -> str:
    """The provenance, with the steps in place of the weights."""
    steps = f"run {run}, steps {moments[0].step:,} to {moments[-1].step:,}"
    return replace(moments[-1].record.provenance, weights=steps).line()


def notes(moments: Sequence[Moment], run: str, item: int) -> list[str]:
    """What the figures show, in words."""
    batch = moments[0].record.layers[0].shape[0]
    shown = f"; the picture shows number {item}" if batch > 1 else ""
    return [origin(moments, run) + shown]
