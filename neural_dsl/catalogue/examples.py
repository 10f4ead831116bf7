"""Small uses of layers, from which tests and the reference are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from neural_dsl.catalogue.tensors import Shape


@dataclass(frozen=True, slots=True)
class Example:
    """One valid use of a layer, small enough to run in a moment.

    `reads`: the shapes that arrive, without the batch: one, several for a layer that
    joins, (target, memory) for one that attends to a memory. `gives` (the shape of the
    result) and `numbers` (of its trainable weights) are worked out by hand. `masked`:
    what arrives has padding, as an `Embedding(…, mask_zero=true)` leaves it.
    """

    reads: tuple[Shape, ...]
    gives: Shape
    numbers: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)
    masked: bool = False

    def written(self, layer: str) -> str:
        """The layer as a file writes it: `Conv1D(filters=8, kernel_size=3)`."""
        inside = ", ".join(f"{key}={_value(v)}" for key, v in self.params.items())
        return f"{layer}({inside})"


def example(
    *reads: Shape,
    gives: Shape | None = None,
    numbers: int = 0,
    masked: bool = False,
    **params: Any,
) -> Example:
    """An `Example`, written as short as the layer itself; where it says nothing else, it
    gives the shape of what it reads first."""
    return Example(reads, reads[0] if gives is None else gives, numbers, params, masked)


def _value(value: object) -> str:
    """A parameter's value in the language."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
