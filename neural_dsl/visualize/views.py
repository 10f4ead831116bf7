"""What pictures are made of: views of records, or a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from neural_dsl.attention.record import (
    AttentionRecord,
    LayerAttention,
    Provenance,
    check_batch_item,
)

EXPECTED = "mass on expected cells"


@dataclass(frozen=True)
class View:
    """One item of a record's batch, and what to call it."""

    caption: str
    record: AttentionRecord
    item: int = 0


Shown: TypeAlias = AttentionRecord | Sequence[View]
"""A record, or views; several stand side by side."""


def views_of(shown: Shown, item: int, caption: str) -> Sequence[View]:
    """The views; of a record the one of that batch item."""
    if isinstance(shown, AttentionRecord):
        return [View(caption, shown, item)]
    return shown


def deepest(views: Sequence[View | Moment]) -> AttentionRecord:
    """The record with the most attentions."""
    return max((view.record for view in views), key=len)


def chosen_layers(
    record: AttentionRecord, names: Sequence[str] | None
) -> list[LayerAttention]:
    """The attentions of these names (None: all). Raises ValueError for others."""
    chosen = [one for one in record if names is None or one.name in names]
    missing = set(names or ()) - {one.name for one in chosen}
    if missing or not chosen:
        known = ", ".join(one.name for one in record) or "none"
        raise ValueError(f"no attention {', '.join(sorted(missing))}; known: {known}")
    return chosen


def notes_of(
    views: Sequence[View], layers: Sequence[LayerAttention] | None = None
) -> list[str]:
    """What stands below the title of a picture of these layers (None: all).

    Of several views, the provenance of each model, once, with everything that it read.
    Raises NeuralError NE133 for a batch item that a record does not have.
    """
    for view in views:
        check_batch_item(view.item, batch := view.record[0].shape[0])
    if len(views) == 1:
        notes = [*filter(None, [view.caption]), view.record.line(layers)]
        several = f"batch item {view.item} of a batch of {batch}"
        return [*notes, several] if batch > 1 else notes
    read: dict[str, tuple[Provenance, list[str]]] = {}
    for view in views:
        origin = view.record.provenance
        _, inputs = read.setdefault(replace(origin, inputs="").line(), (origin, []))
        inputs.append(origin.inputs)
    return [
        replace(origin, inputs=", ".join(dict.fromkeys(inputs))).line()
        for origin, inputs in read.values()
    ]


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
