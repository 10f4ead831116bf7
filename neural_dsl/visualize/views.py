"""What pictures of attention are made of: records, each with one item to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from neural_dsl.attention.record import (
    AttentionRecord,
    LayerAttention,
    Provenance,
    check_batch_item,
)


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


def deepest(views: Sequence[View]) -> AttentionRecord:
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
