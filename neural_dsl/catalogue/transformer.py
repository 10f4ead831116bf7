"""Whole transformer layers: Vaswani et al., 2017, section 3.1."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

from neural_dsl.catalogue.attention import CAUSAL, KEY_DIM, attention_weights, sized
from neural_dsl.catalogue.shapes import sequential
from neural_dsl.catalogue.spec import Inputs, LayerProblem, Params, example, parameter
from neural_dsl.catalogue.tensors import Attention, Weights, dense_weights, norm_weights

Attentions: TypeAlias = Callable[[Params, Inputs], tuple[Attention, ...]]

_DROPOUT = "dropout on both sublayers' results, in training"
_INSIDE = "activation of the feed-forward network"
_NORM = "layer normalisation after each addition, before each sublayer, or none"
_BIASES = "whether the attention projections have biases"
_LAYERS = "how many such layers in a row; the same as `* n`"
_CAUSAL = "always true: a position sees only itself and earlier ones"


# The parameters of both layers, in positional order: before `causal`, behind it.
_FIRST = (
    parameter("num_heads", "count", 8, "number of heads"),
    parameter("ff_dim", "count", 2048, "width inside the feed-forward network"),
    parameter("dropout", "rate", 0.0, _DROPOUT),
    parameter("activation", "activation", "relu", _INSIDE),
    parameter("norm", "choice", "post", _NORM, "post pre none"),
    KEY_DIM,
    parameter("use_bias", "bool", True, _BIASES),
)
_LAST = (
    parameter("num_layers", "count", 1, _LAYERS),
    parameter("epsilon", "positive", 1e-5, "added to the variance in the norms"),
)
_MASK = "causal use_attention_mask"


def _weights(attentions: Attentions, params: Params, inputs: Inputs) -> Weights:
    """Those of the attentions, then of the feed-forward network, each with its norm."""
    made: Weights = ()
    d_model, ff_dim = inputs[0].width, params["ff_dim"]
    norms = 0 if params["norm"] == "none" else 1
    for each in attentions(params, inputs):
        d_memory = inputs[-1].width if each.kind == "cross" else d_model
        made += attention_weights(each.path, params, d_model, d_memory)
        made += norm_weights(f"{each.path}_norm", d_model) * norms
    made += dense_weights("feed_forward.expand", ff_dim, d_model, True)
    made += dense_weights("feed_forward.contract", d_model, ff_dim, True)
    return made + norm_weights("feed_forward_norm", d_model) * norms


WITH_NORMS = 4 * 17 * 16 + 17 * 32 + 33 * 16 + 2 * 32
"""Trainable numbers of most examples, of two sublayers, each with a norm: of dense layers
from n to m features, (n + 1) · m."""


_example = partial(example, (10, 16), numbers=WITH_NORMS, num_heads=4, ff_dim=32)


def _encoder_attentions(params: Params, inputs: Inputs) -> tuple[Attention, ...]:
    kind: Literal["self", "causal"] = "causal" if params["causal"] else "self"
    return (Attention("", kind, params["num_heads"], path="attention"),)


TRANSFORMER_ENCODER = sequential(
    name="TransformerEncoder",
    doc="Self-attention, then a feed-forward network; each result is added to its input. "
    "Projections start Glorot uniform, biases at zero, norms at one and zero.",
    parameters=(*_FIRST, parameter(_MASK, "bool", False, CAUSAL), *_LAST),
    sized="TransformerEncoder",
    complete=sized,
    weights=partial(_weights, _encoder_attentions),
    attentions=_encoder_attentions,
    reads_mask=True,
    examples=(
        _example(),
        # no norms, no biases in the four projections
        _example(
            numbers=WITH_NORMS - 64 - 4 * 16, masked=True, norm="none", use_bias=False
        ),
        _example(norm="pre", causal=True, activation="gelu"),
    ),
)


def _decoder_complete(params: Params, inputs: Inputs) -> Params:
    if not params["causal"]:
        message = "the self-attention of a `TransformerDecoder` is always causal"
        help = "leave it out, or use `TransformerEncoder` to see all positions"
        raise LayerProblem("NE027", message, "cannot be switched off", help, "causal")
    return sized(params, inputs)


def _decoder_attentions(params: Params, inputs: Inputs) -> tuple[Attention, ...]:
    heads = params["num_heads"]
    own = Attention("self_attention", "causal", heads, path="self_attention")
    cross = Attention("cross_attention", "cross", heads, path="cross_attention")
    return (own,) if len(inputs) == 1 else (own, cross)


TRANSFORMER_DECODER = sequential(
    name="TransformerDecoder",
    doc="Causal self-attention, then cross-attention to the memory when there is one, "
    "then a feed-forward network; each result is added to its input. After branches the "
    "last one is decoded and the first is the memory. Projections start Glorot uniform, "
    "biases at zero, norms at one and zero.",
    parameters=(*_FIRST, parameter(_MASK, "bool", True, _CAUSAL), *_LAST),
    sized="TransformerDecoder",
    complete=_decoder_complete,
    weights=partial(_weights, _decoder_attentions),
    attentions=_decoder_attentions,
    arity="target",
    reads_mask=True,
    examples=(
        _example(),
        _example(norm="pre"),
        # four more projections, no norms
        _example((10, 16), numbers=WITH_NORMS + 4 * 17 * 16 - 64, norm="none"),
        # four more projections, two of them from 24, and one more norm
        _example((8, 24), numbers=WITH_NORMS + 2 * (17 + 25) * 16 + 32, masked=True),
    ),
)
