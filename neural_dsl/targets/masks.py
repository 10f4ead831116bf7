"""Which positions are valid, worked out from the inputs with NumPy alone.

The same rule as in the emitted code, written a second time on purpose: the captured
weights are checked against it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neural_dsl.attention.allowed import Allowed, Bools
from neural_dsl.backends.canonical import Arrays
from neural_dsl.catalogue.tensors import Attention, Mask
from neural_dsl.graph.nodes import Layer


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


def of_attention(
    layer: Layer, attention: Attention, inputs: Arrays, shape: Sequence[int]
) -> Allowed:
    """The rule about masks of one attention of a layer; shape (B, H, Q, K).

    Queries are the layer's first input; keys are the same, or its last input (the
    memory) for cross-attention.
    """
    query = layer.inputs[0].mask
    key = layer.inputs[-1].mask if attention.kind == "cross" else query
    return Allowed(
        (shape[0], shape[2], shape[3]),
        causal=attention.kind == "causal",
        key_valid=None if key is None else evaluate(key, inputs),
        query_valid=None if query is None else evaluate(query, inputs),
    )
