"""Layers that bring values to a common scale."""

from __future__ import annotations

from neural_dsl.catalogue.examples import example
from neural_dsl.catalogue.shapes import features_of, same
from neural_dsl.catalogue.spec import (
    Inputs,
    LayerProblem,
    LayerSpec,
    Parameter,
    Params,
    always,
    kept,
    never,
)
from neural_dsl.catalogue.tensors import Weight
from neural_dsl.catalogue.weights import MEAN, RMS_SCALE, VARIANCE, norm_weights

LAYER_NORMALIZATION = LayerSpec(
    name="LayerNormalization",
    family="normalization",
    doc="Normalises each position over its features, then scales and shifts. Weight "
    "starts at one, bias at zero. Ba et al., 2016.",
    parameters=(Parameter("epsilon", "positive", 1e-5, "added to the variance"),),
    output=same,
    looks_ahead=never,
    ranks=None,
    time="carried",
    examples=(
        example((10, 16), gives=(10, 16), numbers=32),
        example((16,), gives=(16,), numbers=32, epsilon=0.01),
    ),
    weights=lambda params, inputs: norm_weights(
        "", features_of("LayerNormalization", inputs[0])
    ),
    aliases=("LayerNorm",),
    positions=kept,
)


def _batch_norm_weights(params: Params, inputs: Inputs) -> tuple[Weight, ...]:
    features = features_of("BatchNormalization", inputs[0])
    return (
        *norm_weights("", features),
        Weight(MEAN, (features,), trainable=False),
        Weight(VARIANCE, (features,), trainable=False),
    )


BATCH_NORMALIZATION = LayerSpec(
    name="BatchNormalization",
    family="normalization",
    doc="Normalises each feature over the batch (in use: by running statistics), then "
    "scales and shifts. Weight and running variance start at one, bias and running mean "
    "at zero. Ioffe & Szegedy, 2015.",
    parameters=(
        Parameter(
            "momentum",
            "rate",
            0.99,
            "share of the running statistics that one step keeps (Keras' meaning)",
        ),
        Parameter("epsilon", "positive", 1e-3, "added to the variance"),
    ),
    output=same,
    looks_ahead=never,  # in use; in training it sees its whole batch, answers or not
    ranks=None,
    time="carried",
    examples=(
        example((16,), gives=(16,), numbers=32),
        example((10, 16), gives=(10, 16), numbers=32, momentum=0.9, epsilon=0.01),
        example((4, 3, 6), gives=(4, 3, 6), numbers=12),
    ),
    weights=_batch_norm_weights,
    aliases=("BatchNorm",),
    beside={"pytorch": ("num_batches_tracked",)},
    positions=kept,
)


def _group_complete(params: Params, inputs: Inputs) -> Params:
    features, groups = features_of("GroupNormalization", inputs[0]), params["groups"]
    if features % groups:
        raise LayerProblem(
            "NE027",
            f"`groups` must divide the features: {features} is not a multiple of {groups}",
            parameter="groups",
            label=f"{groups} groups cannot share {features} features evenly",
            help="use a divisor of the size of the last axis",
        )
    return params


GROUP_NORMALIZATION = LayerSpec(
    name="GroupNormalization",
    family="normalization",
    doc="Normalises each example, group of features by group, over all of its positions "
    "(padding too), then scales and shifts each feature. Weight starts at one, bias at "
    "zero. Wu & He, 2018.",
    parameters=(
        Parameter(
            "groups", "count", 32, "groups of features that share mean and variance"
        ),
        Parameter("epsilon", "positive", 1e-3, "added to the variance"),
    ),
    complete=_group_complete,
    output=same,
    looks_ahead=always,  # the mean and variance are those of the whole example
    ranks=(2, 3),
    time="carried",
    examples=(
        example((10, 16), gives=(10, 16), numbers=32, groups=4),
        example((6, 5, 4), gives=(6, 5, 4), numbers=8, groups=2, epsilon=0.01),
        example((10, 64), gives=(10, 64), numbers=128),
    ),
    weights=lambda params, inputs: norm_weights(
        "", features_of("GroupNormalization", inputs[0])
    ),
    aliases=("GroupNorm",),
    positions=kept,
)

RMS_NORMALIZATION = LayerSpec(
    name="RMSNormalization",
    family="normalization",
    doc="Divides each position by the root mean square of its features, then scales. "
    "Weight starts at one. Zhang & Sennrich, 2019.",
    parameters=(Parameter("epsilon", "positive", 1e-6, "added to the mean square"),),
    output=same,
    looks_ahead=never,
    ranks=None,
    time="carried",
    examples=(
        example((10, 16), gives=(10, 16), numbers=16),
        example((6, 5, 4), gives=(6, 5, 4), numbers=4, epsilon=0.01),
    ),
    weights=lambda params, inputs: (
        Weight(RMS_SCALE, (features_of("RMSNormalization", inputs[0]),)),
    ),
    aliases=("RMSNorm",),
    positions=kept,
)

LAYERS = (
    LAYER_NORMALIZATION,
    BATCH_NORMALIZATION,
    GROUP_NORMALIZATION,
    RMS_NORMALIZATION,
)
