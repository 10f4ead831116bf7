"""Layers that bring values to a common scale."""

from __future__ import annotations

from neural_dsl.catalogue.examples import example
from neural_dsl.catalogue.kinds import always, pointwise
from neural_dsl.catalogue.shapes import check_groups, features_of
from neural_dsl.catalogue.spec import Inputs, Parameter, Params, parameter
from neural_dsl.catalogue.tensors import Weight
from neural_dsl.catalogue.weights import MEAN, RMS_SCALE, VARIANCE, norm_weights


def _epsilon(default: float, added_to: str = "variance") -> Parameter:
    return parameter("epsilon", "positive", default, f"added to the {added_to}")


LAYER_NORMALIZATION = pointwise(
    name="LayerNormalization",
    doc="Normalises each position over its features, then scales and shifts. Weight "
    "starts at one, bias at zero. Ba et al., 2016.",
    parameters=(_epsilon(1e-5),),
    weights=lambda params, inputs: norm_weights(
        "", features_of("LayerNormalization", inputs[0])
    ),
    examples=(
        example((10, 16), numbers=32),
        example((16,), numbers=32, epsilon=0.01),
    ),
    aliases=("LayerNorm",),
)


def _batch_norm_weights(params: Params, inputs: Inputs) -> tuple[Weight, ...]:
    features = features_of("BatchNormalization", inputs[0])
    return (
        *norm_weights("", features),
        Weight(MEAN, (features,), trainable=False),
        Weight(VARIANCE, (features,), trainable=False),
    )


# It never looks ahead in use; in training it sees its whole batch, answers or not.
BATCH_NORMALIZATION = pointwise(
    name="BatchNormalization",
    doc="Normalises each feature over the batch (in use: by running statistics), then "
    "scales and shifts. Weight and running variance start at one, bias and running mean "
    "at zero. Ioffe & Szegedy, 2015.",
    parameters=(
        parameter(
            "momentum",
            "rate",
            0.99,
            "share of the running statistics that one step keeps (Keras' meaning)",
        ),
        _epsilon(1e-3),
    ),
    weights=_batch_norm_weights,
    beside={"pytorch": ("num_batches_tracked",)},
    examples=(
        example((16,), numbers=32),
        example((10, 16), numbers=32, momentum=0.9, epsilon=0.01),
        example((4, 3, 6), numbers=12),
    ),
    aliases=("BatchNorm",),
)


def _group_complete(params: Params, inputs: Inputs) -> Params:
    features = features_of("GroupNormalization", inputs[0])
    help = "use a divisor of the size of the last axis"
    check_groups(params["groups"], {"features": features}, help)
    return params


GROUP_NORMALIZATION = pointwise(
    name="GroupNormalization",
    doc="Normalises each example, group of features by group, over all of its positions "
    "(padding too), then scales and shifts each feature. Weight starts at one, bias at "
    "zero. Wu & He, 2018.",
    parameters=(
        parameter(
            "groups", "count", 32, "groups of features that share mean and variance"
        ),
        _epsilon(1e-3),
    ),
    complete=_group_complete,
    looks_ahead=always,  # the mean and variance are those of the whole example
    ranks=(2, 3),
    weights=lambda params, inputs: norm_weights(
        "", features_of("GroupNormalization", inputs[0])
    ),
    examples=(
        example((10, 16), numbers=32, groups=4),
        example((6, 5, 4), numbers=8, groups=2, epsilon=0.01),
        example((10, 64), numbers=128),
    ),
    aliases=("GroupNorm",),
)


RMS_NORMALIZATION = pointwise(
    name="RMSNormalization",
    doc="Divides each position by the root mean square of its features, then scales. "
    "Weight starts at one. Zhang & Sennrich, 2019.",
    parameters=(_epsilon(1e-6, "mean square"),),
    weights=lambda params, inputs: (
        Weight(RMS_SCALE, (features_of("RMSNormalization", inputs[0]),)),
    ),
    examples=(
        example((10, 16), numbers=16),
        example((6, 5, 4), numbers=4, epsilon=0.01),
    ),
    aliases=("RMSNorm",),
)

LAYERS = (
    LAYER_NORMALIZATION,
    BATCH_NORMALIZATION,
    GROUP_NORMALIZATION,
    RMS_NORMALIZATION,
)
