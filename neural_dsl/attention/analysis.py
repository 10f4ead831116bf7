"""From a record to its metrics: as plain data, and as the block that the CLI prints."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neural_dsl.attention.expected import expected_mass
from neural_dsl.attention.metrics import METRICS, Bools, Floats
from neural_dsl.attention.record import AttentionRecord, LayerAttention

CELLS_AT_ONCE = 4_000_000
"""How many weights a metric is given at a time: bounds the float64 copies it makes."""


def head_values(layer: LayerAttention) -> dict[str, Floats]:
    """Every registered metric of one attention: name -> (heads,), NaN where undefined."""
    batch, heads, queries, keys = layer.weights.shape
    allowed, query_valid = layer.allowed(), _query_valid(layer)
    step = max(1, CELLS_AT_ONCE // max(1, batch * queries * keys))
    values = {name: np.full(heads, np.nan) for name in METRICS}
    for start in range(0, heads, step):
        part = slice(start, start + step)
        for name, metric in METRICS.items():
            if layer.kind == "cross" and metric.one_sequence:
                continue
            weights = layer.weights[:, part]
            values[name][part] = metric.function(weights, allowed, query_valid)
    return values


def analyse(record: AttentionRecord) -> list[dict[str, Any]]:
    """Every attention of the record as plain data that JSON can hold.

    Each entry has name, kind, shape (batch, heads, query, key), key_mask, query_mask,
    query_tokens, key_tokens (null where the record has none) and heads: one dict a head,
    {"head": 0, "entropy": …, …}. Undefined values are None; numbers have 8 decimals.
    Where the record says what is expected, there are also "expected", the (query, key)
    pairs of each item, and for each head "expected_mass", its attention on them.
    """
    return [_layer(layer) for layer in record.layers]


def analysis_block(record: AttentionRecord) -> str:
    """The text "Attention Analysis:", averages over heads with 3 decimals."""
    lines = ["Attention Analysis:", f"  Layers with attention: {len(record.layers)}"]
    for layer in record.layers:
        values = head_values(layer)
        shape = ", ".join(str(size) for size in layer.weights.shape)
        lines += [
            f"  {layer.name}: ({shape})",
            f"    - Num heads: {layer.num_heads}",
            f"    - Avg entropy: {_average(values['entropy'])}",
            f"    - Avg max attention: {_average(values['max_attention'])}",
            f"    - Diagonal strength: {_average(values['diagonal_strength'])}",
        ]
    return "\n".join(lines)


def _layer(layer: LayerAttention) -> dict[str, Any]:
    values = head_values(layer)
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
        "shape": list(layer.weights.shape),
        "key_mask": None if layer.key_mask is None else layer.key_mask.tolist(),
        "query_mask": None if layer.query_mask is None else layer.query_mask.tolist(),
        "query_tokens": _lists(layer.query_tokens),
        "key_tokens": _lists(layer.key_tokens),
        **known,
        "heads": heads,
    }


def _lists(tokens: tuple[tuple[str, ...], ...] | None) -> list[list[str]] | None:
    return None if tokens is None else [list(item) for item in tokens]


def _query_valid(layer: LayerAttention) -> Bools:
    """bool (batch, query): the queries that are not padding."""
    batch, _, queries, _ = layer.weights.shape
    if layer.query_mask is None:
        return np.ones((batch, queries), dtype=bool)
    return layer.query_mask


def _plain(value: float) -> float | None:
    """A Python float for JSON, None for NaN; + 0.0 turns -0.0 into 0.0."""
    number = float(value)
    return None if math.isnan(number) else round(number, 8) + 0.0


def _average(values: Floats) -> str:
    """The mean over heads, or n/a where the metric is undefined for all of them."""
    defined = values[~np.isnan(values)]
    return f"{defined.mean():.3f}" if defined.size else "n/a"
