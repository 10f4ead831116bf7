"""Layers that bring values to a common scale."""

from __future__ import annotations

from neural_dsl.catalogue.examples import example
from neural_dsl.catalogue.shapes import features_of, same
from neural_dsl.catalogue.spec import (
    Inputs,
    LayerSpec,
    Parameter,
    Params,
    kept,
    never,
)
from neural_dsl.catalogue.tensors import Weight
from neural_dsl.catalogue.weights import MEAN, VARIANCE, norm_weights

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

LAYERS = (LAYER_NORMALIZATION, BATCH_NORMALIZATION)
