"""Multi-head attention, alone: Vaswani et al., 2017, section 3.2."""

from __future__ import annotations

from typing import Any, Literal

from neural_dsl.catalogue.core import USE_BIAS
from neural_dsl.catalogue.examples import example
from neural_dsl.catalogue.kinds import sequential
from neural_dsl.catalogue.shapes import features_of
from neural_dsl.catalogue.spec import Inputs, LayerProblem, Parameter, Params, parameter
from neural_dsl.catalogue.tensors import Attention, Weight
from neural_dsl.catalogue.weights import dense_weights

KEY_DIM = parameter(
    "key_dim", "count", None, "size of one head; by default d_model / num_heads"
)


def causal(alias: str) -> Parameter:
    """Whether self-attention is causal; Keras' layers have other names for it."""
    doc = "whether a position sees only itself and earlier ones"
    return parameter(f"causal {alias}", "bool", False, doc)


def self_kind(params: Params) -> Literal["self", "causal"]:
    """The kind of an attention to the sequence itself."""
    return "causal" if params["causal"] else "self"


def sized(layer: str, params: Params, inputs: Inputs) -> dict[str, Any]:
    """The parameters with `key_dim`, d_model / num_heads where the file is silent. Raises
    NE021 unless the heads divide d_model, NE033 where that is not known."""
    d_model, heads = features_of(layer, inputs[0]), params["num_heads"]
    if params["key_dim"] is not None:
        return {**params}
    if d_model % heads == 0:
        return {**params, "key_dim": d_model // heads}
    raise LayerProblem(
        "NE021",
        f"`num_heads` must divide the model width: {d_model} is not a multiple of {heads}",
        parameter="num_heads",
        label=f"{heads} heads cannot share {d_model} features evenly",
        help=f"use {_divisors(d_model)} or give `key_dim` (the size of one head) yourself",
    )


def _divisors(number: int, shown: int = 5) -> str:
    """The first divisors, for a help line: `1, 2, 4, 8, 16, …`."""
    found = [each for each in range(1, min(number, 1024) + 1) if number % each == 0]
    return ", ".join(map(str, found[:shown])) + ", …" * (len(found) > shown)


def attention_weights(
    name: str, params: Params, d_model: int, d_memory: int
) -> tuple[Weight, ...]:
    """The four projections of one attention below `name` (may be empty).

    query, key: (heads · key_dim, features in); value: (heads · value_dim, d_memory);
    projection: (d_model, heads · value_dim).
    """
    prefix = f"{name}." if name else ""
    heads, use_bias = params["num_heads"], params["use_bias"]
    keys = heads * params["key_dim"]
    values = heads * params.get("value_dim", params["key_dim"])
    return (
        *dense_weights(f"{prefix}query", keys, d_model, use_bias),
        *dense_weights(f"{prefix}key", keys, d_memory, use_bias),
        *dense_weights(f"{prefix}value", values, d_memory, use_bias),
        *dense_weights(f"{prefix}projection", d_model, values, use_bias),
    )


def _complete(params: Params, inputs: Inputs) -> Params:
    if params["mode"] == "cross" and len(inputs) == 1:
        raise LayerProblem(
            "NE035",
            "cross-attention needs a second sequence to attend to",
            parameter="mode",
            label="no memory reaches this layer",
            help="put two branches before it (the first is the memory, the last asks), or "
            'use `mode="self"`',
        )
    if params["mode"] == "cross" and params["causal"]:
        raise LayerProblem(
            "NE027",
            "cross-attention cannot be causal: queries and keys are different sequences",
            parameter="causal",
            label="only self-attention has an order to respect",
            help='leave `causal` out, or use `mode="self"`',
        )
    completed = sized("MultiHeadAttention", params, inputs)
    if completed["value_dim"] is None:
        completed["value_dim"] = completed["key_dim"]
    return completed


def _weights(params: Params, inputs: Inputs) -> tuple[Weight, ...]:
    d_model = features_of("MultiHeadAttention", inputs[0])
    d_memory = features_of("MultiHeadAttention", inputs[-1])
    return attention_weights("", params, d_model, d_memory)


def _attentions(params: Params, inputs: Inputs) -> tuple[Attention, ...]:
    kind = "cross" if params["mode"] == "cross" else self_kind(params)
    return (Attention("", kind, params["num_heads"], path=""),)


MULTI_HEAD_ATTENTION = sequential(
    name="MultiHeadAttention",
    doc="Scaled dot-product attention in several heads, without residual or norm: "
    "softmax(Q K^T / sqrt(key_dim)) V, heads joined and projected. In mode cross the "
    "last branch asks and the first is attended to. Projections start Glorot uniform, "
    "biases at zero.",
    parameters=(
        parameter("num_heads", "count", doc="number of heads"),
        KEY_DIM,
        parameter(
            "value_dim", "count", None, "value size of one head; default key_dim"
        ),
        parameter(
            "dropout", "rate", 0.0, "share of attention weights dropped in training"
        ),
        USE_BIAS,
        parameter(
            "mode",
            "choice",
            "self",
            "what is attended to: the sequence itself or the memory",
            "self cross",
        ),
        causal("use_causal_mask"),
    ),
    complete=_complete,
    weights=_weights,
    attentions=_attentions,
    arity="target",
    reads_mask=True,
    examples=(
        example((10, 16), numbers=4 * (16 * 16 + 16), num_heads=4),
        example(
            (10, 16),
            numbers=4 * 16 * 16,
            masked=True,
            num_heads=4,
            use_bias=False,
            causal=True,
        ),
        # query, key: 16 -> 3 · 5; value: 16 -> 3 · 7; output: 21 -> 16
        example(
            (10, 16),
            numbers=2 * (16 * 15 + 15) + (16 * 21 + 21) + (21 * 16 + 16),
            num_heads=3,
            key_dim=5,
            value_dim=7,
        ),
        # key, value: 24 -> 16
        example(
            (10, 16),
            (8, 24),
            numbers=2 * (16 * 16 + 16) + 2 * (24 * 16 + 16),
            masked=True,
            num_heads=4,
            mode="cross",
        ),
    ),
)

LAYERS = (MULTI_HEAD_ATTENTION,)
