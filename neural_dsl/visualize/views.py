"""What stands side by side: records of one sequence each, and what to call them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from neural_dsl.attention.record import AttentionRecord


@dataclass(frozen=True)
class View:
    """A record of one sequence, and what to call it."""

    caption: str
    record: AttentionRecord


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
