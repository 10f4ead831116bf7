"""Attention records with known or random weights, for tests of pictures and pages."""

from __future__ import annotations

import numpy as np

from neural_dsl.attention.allowed import Allowed
from neural_dsl.attention.record import AttentionRecord, LayerAttention, Provenance

PROVENANCE = Provenance(
    "Toy", "toy.neural", "pytorch", "random, seed 0", "labels; input random, seed 0"
)

HOSTILE = (
    "</script><script>window.broken = 1</script>",
    "<img src=x onerror='window.broken = 2'>",
    "&lt;b&gt;",
    "<b>bold</b>",
    "$x^2$",
    r"\frac{",
    "%{y}",
    "{{ 7 * 7 }}",
    "a\nb",
    '"quoted"',
    "'",
    "",
    "  ",
    "\ud800",
    "\u202egnp.exe",
    "日本語",
    "😀",
    "e\u0301",
    "x" * 10_000,
    "same",
    "same",
)


def layer(weights, kind="self", name="transformer_encoder", **rest) -> LayerAttention:
    """Weights may leave out the batch and head axes. `tokens` labels both sides."""
    weights = np.asarray(weights, dtype=np.float32)
    weights = weights.reshape((1,) * (4 - weights.ndim) + weights.shape)
    tokens = rest.pop("tokens", None)
    if tokens is not None:
        rest["query_tokens"] = rest["key_tokens"] = (tuple(tokens),) * len(weights)
    batch, _, queries, keys = weights.shape
    allowed = Allowed(
        (batch, queries, keys),
        causal=kind == "causal",
        key_valid=rest.pop("key_mask", None),
        query_valid=rest.pop("query_mask", None),
    )
    return LayerAttention(name, kind, weights, allowed, **rest)


def random_layer(batch, heads, queries, keys, kind="self", **rest) -> LayerAttention:
    """Softmax rows over what is allowed, the same for the same sizes."""
    scores = np.exp(np.random.default_rng(0).normal(size=(batch, heads, queries, keys)))
    masks = {key: rest[key] for key in ("key_mask",) if key in rest}
    scores *= layer(scores, kind, **masks).allowed.rows()
    total = scores.sum(-1, keepdims=True)
    weights = np.divide(scores, total, out=np.zeros_like(scores), where=total > 0)
    return layer(weights, kind, **rest)


def record(*layers: LayerAttention) -> AttentionRecord:
    """A record of these layers."""
    return AttentionRecord(layers, PROVENANCE)
