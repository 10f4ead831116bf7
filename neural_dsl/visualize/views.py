"""What pictures are made of: records, what to call them, and what to say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from neural_dsl.attention.items import check_batch_item
from neural_dsl.attention.record import AttentionRecord, LayerAttention


@dataclass(frozen=True)
class View:
    """A record of one sequence, and what to call it."""

    caption: str
    record: AttentionRecord


def chosen_layers(
    record: AttentionRecord, names: Sequence[str] | None
) -> list[LayerAttention]:
    """The attentions of these names (None: all). Raises ValueError for others."""
    chosen = [one for one in record.layers if names is None or one.name in names]
    missing = set(names or ()) - {one.name for one in chosen}
    if missing or not chosen:
        known = ", ".join(one.name for one in record.layers) or "none"
        raise ValueError(f"no attention {', '.join(sorted(missing))}; known: {known}")
    return chosen


def record_notes(
    record: AttentionRecord,
    layers: Sequence[LayerAttention],
    item: int,
    caption: str = "",
) -> list[str]:
    """What stands below the title of a picture of these layers, for one batch item.

    Raises NeuralError NE133 for a batch item that the record does not have.
    """
    batch = layers[0].shape[0]
    check_batch_item(item, batch)
    notes = [*([caption] if caption else []), record.line(layers)]
    if batch > 1:
        notes.append(f"batch item {item} of a batch of {batch}")
    return notes


def provenance_notes(views: Sequence[View]) -> list[str]:
    """The provenance of each model, once, with everything that it read."""
    models = {}
    inputs: dict[str, list[str]] = {}
    for view in views:
        origin = view.record.provenance
        model = replace(origin, inputs="")
        models[model.line()] = model
        inputs.setdefault(model.line(), []).append(origin.inputs)
    return [
        replace(model, inputs=", ".join(dict.fromkeys(inputs[line]))).line()
        for line, model in models.items()
    ]
