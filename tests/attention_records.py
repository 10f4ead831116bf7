"""Attention records with known or random weights, for tests of pictures and pages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neural_dsl.attention.allowed import Allowed
from neural_dsl.attention.expected import expected_cells
from neural_dsl.attention.record import AttentionRecord, LayerAttention, Provenance
from neural_dsl.visualize.views import Moment, Training, View

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


KNOWN = [(2, (0,)), (3, (1, 2))]
"""What a task wants: queries, and the keys of each."""


def known_layer(size=4, name="transformer_decoder", heads=2, **rest):
    """A causal layer whose task wants `KNOWN`."""
    one = random_layer(1, heads, size, size, "causal", name=name, **rest)
    return replace(one, expected=expected_cells(KNOWN, size, size)[None])


def views():
    one = record(known_layer(4, tokens=tuple("abcd")), known_layer(4, name="deep"))
    other = replace(
        record(known_layer(6, tokens=tuple("abcdef"), heads=3)),
        provenance=replace(one.provenance, model="Other", inputs="prompt b"),
    )
    return [View("copy: ab → ba, right", one), View("other: abc → cb", other)]


def moments(count=12):
    """A head that finds its cells between the fifth and the seventh moment."""
    start, found = known_layer(), expected_cells([(2, (0,)), (3, (1,))], 4, 4)
    goal = np.where(found.any(-1)[:, None], found, np.eye(4))[None, None]
    share = np.clip((np.arange(count) - 4) / 2, 0, 1)
    return [
        Moment(
            2**i - 1,
            record(
                replace(
                    start,
                    weights=((1 - s) * start.weights + s * goal).astype(np.float32),
                )
            ),
            f"loss {1 - s:.2f}",
        )
        for i, s in enumerate(share)
    ]


def training(count=12):
    """A run with these moments, whose loss was logged and which was validated once."""
    lines = [{"step": i + 1, "loss": 1 / (i + 1)} for i in range(2 ** (count - 1))]
    lines += [{"step": 2 ** (count - 2), "validation_exact_match": 0.5}]
    return Training("runs/x", moments(count), lines)


WORDS = ["The", "cat", "sat", "on", "the", "extraordinarily", "comfortable", "mat"]


def words(count):
    return tuple(WORDS[i % len(WORDS)] for i in range(count))


def padding(*lengths, size):
    return np.arange(size) < np.array(lengths)[:, None]


RECORDS = {
    "one token": record(layer([[1.0]])),
    "words": record(random_layer(1, 4, 8, 8, tokens=words(8))),
    "sixty words": record(random_layer(1, 3, 60, 60, "causal", tokens=words(60))),
    "no tokens": record(random_layer(2, 8, 50, 50)),
    "two hundred": record(random_layer(1, 1, 200, 200, tokens=words(200))),
    "one query": record(random_layer(1, 2, 1, 90, "cross")),
    "one key": record(random_layer(1, 2, 40, 1, "cross")),
    "cross": record(
        random_layer(
            1, 5, 8, 13, "cross", query_tokens=(words(8),), key_tokens=(words(13),)
        )
    ),
    "padded": record(
        random_layer(
            2,
            4,
            20,
            20,
            key_mask=padding(12, 20, size=20),
            query_mask=padding(12, 20, size=20),
        )
    ),
    "hostile": record(
        random_layer(1, 2, len(HOSTILE), len(HOSTILE), tokens=HOSTILE),
    ),
    "layers": record(
        random_layer(1, 4, 13, 13, tokens=words(13)),
        random_layer(1, 4, 8, 8, "causal", name="transformer_decoder.self_attention"),
        random_layer(1, 2, 8, 13, "cross", name="transformer_decoder.cross_attention"),
    ),
    "many layers": record(
        *(random_layer(1, 1, 9, 9, name=f"transformer_encoder_{i}") for i in range(10))
    ),
}
