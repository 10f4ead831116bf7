"""Multi-head attention, alone: Vaswani et al., 2017, section 3.2."""

from __future__ import annotations

from functools import partial
from typing import Literal

from neural_dsl.catalogue.core import USE_BIAS
from neural_dsl.catalogue.shapes import sequential
from neural_dsl.catalogue.spec import Inputs, LayerProblem, Params, example, parameter
from neural_dsl.catalogue.tensors import Attention, Weights, dense_weights

CAUSAL = "whether a position sees only itself and earlier ones"
_KEY_DIM = "size of one head; by default d_model / num_heads"
KEY_DIM = parameter("key_dim", "count", None, _KEY_DIM)
_VALUE_DIM = "value size of one head; default key_dim"
_DROPOUT = "share of attention weights dropped in training"
_MODE = "what is attended to: the sequence itself or the memory"


def sized(params: Params, inputs: Inputs) -> Params:
    """The parameters with `key_dim`, d_model / num_heads where the file is silent. Raises
    NE021 unless the heads divide d_model."""
    d_model, heads = inputs[0].width, params["num_heads"]
    if params["key_dim"] is not None:
        return params
    if d_model % heads == 0:
        return {**params, "key_dim": d_model // heads}
    fact = f"{d_model} is not a multiple of {heads}"
    message = f"`num_heads` must divide the model width: {fact}"
    label = f"{heads} heads cannot share {d_model} features evenly"
    found = [each for each in range(1, min(d_model, 1024) + 1) if d_model % each == 0]
    divisors = ", ".join(map(str, found[:5])) + ", …" * (len(found) > 5)
    help = f"use {divisors} or give `key_dim` (the size of one head) yourself"
    raise LayerProblem("NE021", message, label, help, "num_heads")


def attention_weights(
    name: str, params: Params, d_model: int, d_memory: int
) -> Weights:
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
    is_cross = params["mode"] == "cross"
    if is_cross and len(inputs) == 1:
        message = "cross-attention needs a second sequence to attend to"
        label = "no memory reaches this layer"
        help = (
            "put two branches before it (the first is the memory, the last asks), or "
            'use `mode="self"`'
        )
        raise LayerProblem("NE035", message, label, help, "mode")
    if is_cross and params["causal"]:
        why = "queries and keys are different sequences"
        message = f"cross-attention cannot be causal: {why}"
        label = "only self-attention has an order to respect"
        help = 'leave `causal` out, or use `mode="self"`'
        raise LayerProblem("NE027", message, label, help, "causal")
    completed = sized(params, inputs)
    value_dim = completed["value_dim"]
    kept = completed["key_dim"] if value_dim is None else value_dim
    return {**completed, "value_dim": kept}


def _weights(params: Params, inputs: Inputs) -> Weights:
    return attention_weights("", params, inputs[0].width, inputs[-1].width)


def _attentions(params: Params, inputs: Inputs) -> tuple[Attention, ...]:
    kind: Literal["self", "causal", "cross"] = "causal" if params["causal"] else "self"
    kind = "cross" if params["mode"] == "cross" else kind
    return (Attention("", kind, params["num_heads"], path=""),)


_example = partial(example, (10, 16), num_heads=4)

MULTI_HEAD_ATTENTION = sequential(
    name="MultiHeadAttention",
    doc="Scaled dot-product attention in several heads, without residual or norm: "
    "softmax(Q K^T / sqrt(key_dim)) V, heads joined and projected. In mode cross the "
    "last branch asks and the first is attended to. Projections start Glorot uniform, "
    "biases at zero.",
    parameters=(
        parameter("num_heads", "count", doc="number of heads"),
        KEY_DIM,
        parameter("value_dim", "count", None, _VALUE_DIM),
        parameter("dropout", "rate", 0.0, _DROPOUT),
        USE_BIAS,
        parameter("mode", "choice", "self", _MODE, "self cross"),
        parameter("causal use_causal_mask", "bool", False, CAUSAL),
    ),
    sized="MultiHeadAttention",
    complete=_complete,
    weights=_weights,
    attentions=_attentions,
    arity="target",
    reads_mask=True,
    examples=(  # a projection from n to m features has (n + 1) · m numbers
        _example(numbers=4 * 17 * 16),
        _example(numbers=4 * 16 * 16, masked=True, use_bias=False, causal=True),
        # query, key: 16 -> 3 · 5; value: 16 -> 3 · 7; output: 21 -> 16
        _example(numbers=2 * 255 + 357 + 352, num_heads=3, key_dim=5, value_dim=7),
        # key, value: 24 -> 16
        _example((8, 24), numbers=2 * (17 + 25) * 16, masked=True, mode="cross"),
    ),
)
