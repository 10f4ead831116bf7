"""Whole transformer layers: Vaswani et al., 2017, section 3.1."""

from __future__ import annotations

from functools import partial
from typing import Any

from neural_dsl.catalogue.attention import (
    KEY_DIM,
    attention_weights,
    causal,
    self_kind,
    sized,
)
from neural_dsl.catalogue.examples import Example, example
from neural_dsl.catalogue.kinds import sequential
from neural_dsl.catalogue.shapes import features_of
from neural_dsl.catalogue.spec import Inputs, LayerProblem, Parameter, Params, parameter
from neural_dsl.catalogue.tensors import Attention, Shape, Weight
from neural_dsl.catalogue.weights import dense_weights, norm_weights


def _parameters(causal: Parameter) -> tuple[Parameter, ...]:
    """The parameters of both layers, in positional order."""
    return (
        parameter("num_heads", "count", 8, "number of heads"),
        parameter("ff_dim", "count", 2048, "width inside the feed-forward network"),
        parameter(
            "dropout", "rate", 0.0, "dropout on both sublayers' results, in training"
        ),
        parameter(
            "activation", "activation", "relu", "activation of the feed-forward network"
        ),
        parameter(
            "norm",
            "choice",
            "post",
            "layer normalisation after each addition, before each sublayer, or none",
            "post pre none",
        ),
        KEY_DIM,
        parameter(
            "use_bias", "bool", True, "whether the attention projections have biases"
        ),
        causal,
        parameter(
            "num_layers", "count", 1, "how many such layers in a row; the same as `* n`"
        ),
        parameter("epsilon", "positive", 1e-5, "added to the variance in the norms"),
    )


def _attention(
    name: str, params: Params, d_model: int, d_memory: int
) -> tuple[Weight, ...]:
    """The weights of one attention and of its norm."""
    weights = attention_weights(name, params, d_model, d_memory)
    return (*weights, *_norm(f"{name}_norm", params, d_model))


def _norm(name: str, params: Params, d_model: int) -> tuple[Weight, ...]:
    return () if params["norm"] == "none" else norm_weights(name, d_model)


def _feed_forward(params: Params, d_model: int) -> tuple[Weight, ...]:
    return (
        *dense_weights("feed_forward.expand", params["ff_dim"], d_model, True),
        *dense_weights("feed_forward.contract", d_model, params["ff_dim"], True),
        *_norm("feed_forward_norm", params, d_model),
    )


WITH_NORMS = 4 * (16 * 16 + 16) + (16 * 32 + 32) + (32 * 16 + 16) + 2 * 32
"""Trainable numbers of most examples, of two sublayers, each with a norm."""


def _example(
    *reads: Shape, numbers: int = WITH_NORMS, masked: bool = False, **params: Any
) -> Example:
    """10 positions of 16 features, 4 heads, 32 features inside."""
    given = {"num_heads": 4, "ff_dim": 32, **params}
    return example((10, 16), *reads, numbers=numbers, masked=masked, **given)


def _encoder_weights(params: Params, inputs: Inputs) -> tuple[Weight, ...]:
    d_model = features_of("TransformerEncoder", inputs[0])
    attention = _attention("attention", params, d_model, d_model)
    return (*attention, *_feed_forward(params, d_model))


def _encoder_attentions(params: Params, inputs: Inputs) -> tuple[Attention, ...]:
    return (Attention("", self_kind(params), params["num_heads"], path="attention"),)


TRANSFORMER_ENCODER = sequential(
    name="TransformerEncoder",
    doc="Self-attention, then a feed-forward network; each result is added to its input. "
    "Projections start Glorot uniform, biases at zero, norms at one and zero.",
    parameters=_parameters(causal("use_attention_mask")),
    complete=partial(sized, "TransformerEncoder"),
    weights=_encoder_weights,
    attentions=_encoder_attentions,
    reads_mask=True,
    examples=(
        _example(),
        _example(
            numbers=WITH_NORMS - 2 * 32 - 4 * 16,
            masked=True,
            norm="none",
            use_bias=False,
        ),
        _example(norm="pre", causal=True, activation="gelu"),
    ),
)


def _decoder_complete(params: Params, inputs: Inputs) -> Params:
    if not params["causal"]:
        raise LayerProblem(
            "NE027",
            "the self-attention of a `TransformerDecoder` is always causal",
            parameter="causal",
            label="cannot be switched off",
            help="leave it out, or use `TransformerEncoder` to see all positions",
        )
    return sized("TransformerDecoder", params, inputs)


def _decoder_weights(params: Params, inputs: Inputs) -> tuple[Weight, ...]:
    d_model = features_of("TransformerDecoder", inputs[0])
    cross: tuple[Weight, ...] = ()
    if len(inputs) > 1:
        d_memory = features_of("TransformerDecoder", inputs[1])
        cross = _attention("cross_attention", params, d_model, d_memory)
    own = _attention("self_attention", params, d_model, d_model)
    return (*own, *cross, *_feed_forward(params, d_model))


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
    parameters=_parameters(
        parameter(
            "causal use_attention_mask",
            "bool",
            True,
            "always true: a position sees only itself and earlier ones",
        )
    ),
    complete=_decoder_complete,
    weights=_decoder_weights,
    attentions=_decoder_attentions,
    arity="target",
    reads_mask=True,
    examples=(
        _example(),
        _example(norm="pre"),
        # four more projections, no norms
        _example(
            (10, 16), numbers=WITH_NORMS + 4 * (16 * 16 + 16) - 2 * 32, norm="none"
        ),
        # four more projections, two of them from 24, and one more norm
        _example(
            (8, 24),
            numbers=WITH_NORMS + 2 * (16 * 16 + 16) + 2 * (24 * 16 + 16) + 32,
            masked=True,
        ),
    ),
)

LAYERS = (TRANSFORMER_ENCODER, TRANSFORMER_DECODER)
