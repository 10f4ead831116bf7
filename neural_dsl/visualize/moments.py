"""What the pictures of a training are made from: the attention at some of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from neural_dsl.attention.record import AttentionRecord

EXPECTED = "mass on expected cells"


@dataclass(frozen=True)
class Moment:
    """The attention at one step, and what was measured then: loss, exact match."""

    step: int
    record: AttentionRecord
    measured: str = ""


@dataclass(frozen=True)
class Training:
    """The moments of a run, what provenance calls it, and the lines of its
    `metrics.jsonl`."""

    run: str
    moments: Sequence[Moment]
    lines: Sequence[dict[str, Any]] = ()

    @property
    def origin(self) -> str:
        """The provenance, with the steps in place of the weights."""
        first, last = self.moments[0], self.moments[-1]
        steps = f"run {self.run}, steps {first.step:,} to {last.step:,}"
        return replace(last.record.provenance, weights=steps).line()

    @property
    def note(self) -> str:
        """What pictures of a single example say: where it is from, and which it is."""
        several = self.moments[0].record[0].shape[0] > 1
        return self.origin + "; the picture shows number 0" * several

    def spread(self, most: int) -> list[Moment]:
        """The first, the last, and of the others more where more happens.

        Half of the way between the chosen ones is counted in moments, half in how far
        the weights moved.
        """
        moments = self.moments
        if len(moments) <= most:
            return list(moments)
        moved = [0.0]
        for before, after in pairwise(moments):
            pairs = zip(before.record, after.record, strict=True)
            moved.append(
                sum(float(np.abs(b.weights - a.weights).sum()) for a, b in pairs)
            )
        way = np.cumsum(moved)
        way = way / (way[-1] or 1.0) + np.linspace(0, 1, len(moments))
        chosen = {0, len(moments) - 1}
        for goal in np.linspace(0, way[-1], most)[1:-1]:
            free = [index for index in range(len(moments)) if index not in chosen]
            chosen.add(min(free, key=lambda index: abs(way[index] - goal)))
        return [moments[index] for index in sorted(chosen)]
