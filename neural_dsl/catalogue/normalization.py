"""Layers that bring values to a common scale."""

from __future__ import annotations

from neural_dsl.catalogue.shapes import always, check_groups, pointwise
from neural_dsl.catalogue.spec import Inputs, Parameter, Params, example, parameter
from neural_dsl.catalogue.tensors import MEAN, RMS_SCALE, VARIANCE, Weight, norm_weights


def _epsilon(default: float, added_to: str = "variance") -> Parameter:
    return parameter("epsilon", "positive", default, f"added to the {added_to}")


_MOMENTUM = "share of the running statistics that one step keeps (Keras' meaning)"
_GROUPS = "groups of features that share mean and variance"


def _scale_and_shift(params: Params, inputs: Inputs) -> tuple[Weight, ...]:
    return norm_weights("", inputs[0].width)


LAYER_NORMALIZATION = pointwise(
    name="LayerNormalization",
    doc="Normalises each position over its features, then scales and shifts. Weight "
    "starts at one, bias at zero. Ba et al., 2016.",
    parameters=(_epsilon(1e-5),),
    sized="LayerNormalization",
    weights=_scale_and_shift,
    examples=(example((10, 16), numbers=32), example((16,), numbers=32, epsilon=0.01)),
    aliases=("LayerNorm",),
)


def _batch_norm_weights(params: Params, inputs: Inputs) -> tuple[Weight, ...]:
    shape = (inputs[0].width,)
    statistics = (Weight(each, shape, trainable=False) for each in (MEAN, VARIANCE))
    return (*_scale_and_shift(params, inputs), *statistics)


# It never looks ahead in use; in training it sees its whole batch, answers or not.
BATCH_NORMALIZATION = pointwise(
    name="BatchNormalization",
    doc="Normalises each feature over the batch (in use: by running statistics), then "
    "scales and shifts. Weight and running variance start at one, bias and running mean "
    "at zero. Ioffe & Szegedy, 2015.",
    parameters=(parameter("momentum", "rate", 0.99, _MOMENTUM), _epsilon(1e-3)),
    sized="BatchNormalization",
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
    help = "use a divisor of the size of the last axis"
    check_groups(params["groups"], {"features": inputs[0].width}, help)
    return params


GROUP_NORMALIZATION = pointwise(
    name="GroupNormalization",
    doc="Normalises each example, group of features by group, over all of its positions "
    "(padding too), then scales and shifts each feature. Weight starts at one, bias at "
    "zero. Wu & He, 2018.",
    parameters=(parameter("groups", "count", 32, _GROUPS), _epsilon(1e-3)),
    sized="GroupNormalization",
    complete=_group_complete,
    looks_ahead=always,  # the mean and variance are those of the whole example
    ranks=(2, 3),
    weights=_scale_and_shift,
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
    sized="RMSNormalization",
    weights=lambda params, inputs: (Weight(RMS_SCALE, (inputs[0].width,)),),
    examples=(
        example((10, 16), numbers=16),
        example((6, 5, 4), numbers=4, epsilon=0.01),
    ),
    aliases=("RMSNorm",),
)
