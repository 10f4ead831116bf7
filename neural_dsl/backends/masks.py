"""Which positions are valid, worked out from the inputs with NumPy alone.

The same rule as in the emitted code, written a second time on purpose: the captured
weights are checked against it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_dsl.backends.base import Arrays
from neural_dsl.catalogue.tensors import Attention, Mask
from neural_dsl.graph.nodes import Layer

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class AttentionMasks:
    """Valid queries and valid keys of one attention: bool (B, Q) and (B, K), None when
    all are valid. Padded queries do attend; only `keys` and causality hide anything."""

    queries: Bools | None
    keys: Bools | None


def evaluate(mask: Mask, inputs: Arrays) -> Bools:
    """The mask as an array, bool (B, T), for inputs keyed by input name."""
    match mask.operation:
        case "input":
            return np.asarray(inputs[mask.input] != 0)
        case "ones":
            batch = len(next(iter(inputs.values())))
            return np.ones((batch, mask.length), dtype=bool)
        case "concat":
            return np.concatenate(
                [evaluate(part, inputs) for part in mask.parts], axis=1
            )
        case "all":
            parts = [evaluate(part, inputs) for part in mask.parts]
            return np.asarray(np.logical_and.reduce(np.broadcast_arrays(*parts)))


def of_attention(layer: Layer, attention: Attention, inputs: Arrays) -> AttentionMasks:
    """The masks of one attention of a layer.

    Queries are the layer's first input; keys are the same, or its last input (the
    memory) for cross-attention.
    """
    query = layer.inputs[0].mask
    key = layer.inputs[-1].mask if attention.kind == "cross" else query
    return AttentionMasks(
        queries=None if query is None else evaluate(query, inputs),
        keys=None if key is None else evaluate(key, inputs),
    )
