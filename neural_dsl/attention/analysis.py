"""From a record to its metrics: as plain data, and as the block that the CLI prints."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neural_dsl.attention.allowed import Allowed
from neural_dsl.attention.expected import expected_mass
from neural_dsl.attention.metrics import Floats
from neural_dsl.attention.record import AttentionRecord, LayerAttention


def analyse(record: AttentionRecord) -> list[dict[str, Any]]:
    """Every attention of the record as plain data that JSON can hold.

    Each entry has name, kind, shape (batch, heads, query, key), key_mask, query_mask,
    query_tokens, key_tokens (null where the record has none) and heads: one dict a head,
    {"head": 0, "entropy": …, …}. Undefined values are None; numbers have 8 decimals.
    Rules about masks beyond kind and key_mask, where there are any: window, offset, and
    dense, whose cells are the bits of hexadecimal digits, row by row.
    Where the record says what is expected, there are also "expected", the (query, key)
    pairs of each item, and for each head "expected_mass", its attention on them.
    """
    return [_layer(layer) for layer in record.layers]


def analysis_block(record: AttentionRecord) -> str:
    """The text "Attention Analysis:", averages over heads with 3 decimals."""
    lines = ["Attention Analysis:", f"  Layers with attention: {len(record.layers)}"]
    for layer in record.layers:
        values = layer.values()
        shape = ", ".join(str(size) for size in layer.shape)
        lines += [
            f"  {layer.name}: ({shape})",
            f"    - Num heads: {layer.num_heads}",
            f"    - Avg entropy: {_average(values['entropy'])}",
            f"    - Avg max attention: {_average(values['max_attention'])}",
            f"    - Diagonal strength: {_average(values['diagonal_strength'])}",
        ]
    return "\n".join(lines)


def _layer(layer: LayerAttention) -> dict[str, Any]:
    values = layer.values()
    heads = [
        {"head": head} | {name: _plain(values[name][head]) for name in values}
        for head in range(layer.num_heads)
    ]
    known: dict[str, Any] = {}
    if layer.expected is not None:
        known["expected"] = [np.argwhere(item).tolist() for item in layer.expected]
        for entry, mass in zip(heads, expected_mass(layer), strict=True):
            entry["expected_mass"] = _plain(mass)
    return {
        "name": layer.name,
        "kind": layer.kind,
        "shape": list(layer.shape),
        "key_mask": None if layer.key_mask is None else layer.key_mask.tolist(),
        "query_mask": None if layer.query_mask is None else layer.query_mask.tolist(),
        "query_tokens": _lists(layer.query_tokens),
        "key_tokens": _lists(layer.key_tokens),
        **_other_rules(layer.allowed),
        **known,
        "heads": heads,
    }


def _other_rules(allowed: Allowed) -> dict[str, Any]:
    """What kind and masks do not tell of where a query may look."""
    rules: dict[str, Any] = {}
    if allowed.window is not None:
        rules["window"] = allowed.window
    if allowed.offset:
        rules["offset"] = allowed.offset
    if allowed.dense is not None:
        cells = np.packbits(allowed.dense).tobytes().hex()
        rules["dense"] = {"shape": list(allowed.dense.shape), "cells": cells}
    return rules


def _lists(tokens: tuple[tuple[str, ...], ...] | None) -> list[list[str]] | None:
    return None if tokens is None else [list(item) for item in tokens]


def _plain(value: float) -> float | None:
    """A Python float for JSON, None for NaN; + 0.0 turns -0.0 into 0.0."""
    number = float(value)
    return None if math.isnan(number) else round(number, 8) + 0.0


def _average(values: Floats) -> str:
    """The mean over heads, or n/a where the metric is undefined for all of them."""
    defined = values[~np.isnan(values)]
    return f"{defined.mean():.3f}" if defined.size else "n/a"
