"""Whole transformer layers: Vaswani et al., 2017, section 3.1."""

from __future__ import annotations

from neural_dsl.catalogue.attention import KEY_DIM, attention_weights, head_size
from neural_dsl.catalogue.examples import example
from neural_dsl.catalogue.shapes import features_of, same
from neural_dsl.catalogue.spec import (
    Inputs,
    LayerProblem,
    LayerSpec,
    Parameter,
    Params,
    kept,
    never,
)
from neural_dsl.catalogue.tensors import Attention, Weight
from neural_dsl.catalogue.weights import dense_weights, norm_weights


def _parameters(causal: Parameter) -> tuple[Parameter, ...]:
    """The parameters of both layers, in positional order."""
    return (
        Parameter("num_heads", "count", 8, "number of heads"),
        Parameter("ff_dim", "count", 2048, "width inside the feed-forward network"),
        Parameter(
            "dropout", "rate", 0.0, "dropout on both sublayers' results, in training"
        ),
        Parameter(
            "activation", "activation", "relu", "activation of the feed-forward network"
        ),
        Parameter(
            "norm",
            "choice",
            "post",
            "layer normalisation after each addition, before each sublayer, or none",
            choices={"post": "post", "pre": "pre", "none": "none"},
        ),
        KEY_DIM,
        Parameter(
            "use_bias", "bool", True, "whether the attention projections have biases"
        ),
        causal,
        Parameter(
            "num_layers", "count", 1, "how many such layers in a row; the same as `* n`"
        ),
        Parameter("epsilon", "positive", 1e-5, "added to the variance in the norms"),
    )


def _sublayer_norm(name: str, params: Params, d_model: int) -> tuple[Weight, ...]:
    return () if params["norm"] == "none" else norm_weights(name, d_model)


def _feed_forward(params: Params, d_model: int) -> tuple[Weight, ...]:
    return (
        *dense_weights("feed_forward.expand", params["ff_dim"], d_model, True),
        *dense_weights("feed_forward.contract", d_model, params["ff_dim"], True),
        *_sublayer_norm("feed_forward_norm", params, d_model),
    )


def _encoder_complete(params: Params, inputs: Inputs) -> Params:
    d_model = features_of("TransformerEncoder", inputs[0])
    return {**params, "key_dim": head_size(params, d_model)}


def _encoder_weights(params: Params, inputs: Inputs) -> tuple[Weight, ...]:
    d_model = features_of("TransformerEncoder", inputs[0])
    return (
        *attention_weights("attention", params, d_model, d_model),
        *_sublayer_norm("attention_norm", params, d_model),
        *_feed_forward(params, d_model),
    )


def _encoder_attentions(params: Params, inputs: Inputs) -> tuple[Attention, ...]:
    if params["causal"]:
        return (Attention("", "causal", params["num_heads"], path="attention"),)
    return (Attention("", "self", params["num_heads"], path="attention"),)


# Trainable numbers of the examples: 16 features, 4 heads, 32 inside.
FEED_FORWARD = (16 * 32 + 32) + (32 * 16 + 16)
WITH_NORMS = 4 * (16 * 16 + 16) + FEED_FORWARD + 2 * 32

TRANSFORMER_ENCODER = LayerSpec(
    name="TransformerEncoder",
    family="transformer",
    doc="Self-attention, then a feed-forward network; each result is added to its input. "
    "Projections start Glorot uniform, biases at zero, norms at one and zero.",
    parameters=_parameters(
        Parameter(
            "causal",
            "bool",
            False,
            "whether a position sees only itself and earlier ones",
            aliases=("use_attention_mask",),
        )
    ),
    complete=_encoder_complete,
    output=same,
    looks_ahead=never,
    ranks=(2,),
    time="first",
    examples=(
        example((10, 16), gives=(10, 16), numbers=WITH_NORMS, num_heads=4, ff_dim=32),
        example(
            (10, 16),
            gives=(10, 16),
            numbers=4 * 16 * 16 + FEED_FORWARD,
            masked=True,
            num_heads=4,
            ff_dim=32,
            norm="none",
            use_bias=False,
        ),
        example(
            (10, 16),
            gives=(10, 16),
            numbers=WITH_NORMS,
            num_heads=4,
            ff_dim=32,
            norm="pre",
            causal=True,
            activation="gelu",
        ),
    ),
    weights=_encoder_weights,
    attentions=_encoder_attentions,
    reads_mask=True,
    positions=kept,
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
    d_model = features_of("TransformerDecoder", inputs[0])
    return {**params, "key_dim": head_size(params, d_model)}


def _decoder_weights(params: Params, inputs: Inputs) -> tuple[Weight, ...]:
    d_model = features_of("TransformerDecoder", inputs[0])
    cross: tuple[Weight, ...] = ()
    if len(inputs) > 1:
        d_memory = features_of("TransformerDecoder", inputs[1])
        cross = (
            *attention_weights("cross_attention", params, d_model, d_memory),
            *_sublayer_norm("cross_attention_norm", params, d_model),
        )
    return (
        *attention_weights("self_attention", params, d_model, d_model),
        *_sublayer_norm("self_attention_norm", params, d_model),
        *cross,
        *_feed_forward(params, d_model),
    )


def _decoder_attentions(params: Params, inputs: Inputs) -> tuple[Attention, ...]:
    heads = params["num_heads"]
    causal = Attention("self_attention", "causal", heads, path="self_attention")
    if len(inputs) == 1:
        return (causal,)
    return causal, Attention("cross_attention", "cross", heads, path="cross_attention")


TRANSFORMER_DECODER = LayerSpec(
    name="TransformerDecoder",
    family="transformer",
    doc="Causal self-attention, then cross-attention to the memory when there is one, "
    "then a feed-forward network; each result is added to its input. After branches the "
    "last one is decoded and the first is the memory. Projections start Glorot uniform, "
    "biases at zero, norms at one and zero.",
    parameters=_parameters(
        Parameter(
            "causal",
            "bool",
            True,
            "always true: a position sees only itself and earlier ones",
            aliases=("use_attention_mask",),
        )
    ),
    complete=_decoder_complete,
    output=same,
    looks_ahead=never,
    ranks=(2,),
    time="first",
    examples=(
        example((10, 16), gives=(10, 16), numbers=WITH_NORMS, num_heads=4, ff_dim=32),
        example(
            (10, 16),
            gives=(10, 16),
            numbers=WITH_NORMS,
            num_heads=4,
            ff_dim=32,
            norm="pre",
        ),
        example(
            (10, 16),
            (10, 16),
            gives=(10, 16),
            numbers=8 * (16 * 16 + 16) + FEED_FORWARD,
            num_heads=4,
            ff_dim=32,
            norm="none",
        ),
        # four more projections, two of them from 24, and one more norm
        example(
            (10, 16),
            (8, 24),
            gives=(10, 16),
            numbers=WITH_NORMS + 2 * (16 * 16 + 16) + 2 * (24 * 16 + 16) + 32,
            masked=True,
            num_heads=4,
            ff_dim=32,
        ),
    ),
    weights=_decoder_weights,
    attentions=_decoder_attentions,
    arity="target",
    reads_mask=True,
    positions=kept,
)

LAYERS = (TRANSFORMER_ENCODER, TRANSFORMER_DECODER)
