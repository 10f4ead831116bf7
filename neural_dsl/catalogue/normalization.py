"""Layers that bring values to a common scale."""

from __future__ import annotations

from neural_dsl.catalogue.shapes import features_of, norm_weights, same
from neural_dsl.catalogue.spec import Inputs, LayerSpec, Parameter, Params, kept
from neural_dsl.catalogue.tensors import Weight

LAYER_NORMALIZATION = LayerSpec(
    name="LayerNormalization",
    family="normalization",
    doc="Normalises each position over its features, then scales and shifts. Weight "
    "starts at one, bias at zero. Ba et al., 2016.",
    parameters=(Parameter("epsilon", "positive", 1e-5, "added to the variance"),),
    output=same,
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
        Weight("running_mean", (features,), trainable=False),
        Weight("running_var", (features,), trainable=False),
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
    weights=_batch_norm_weights,
    aliases=("BatchNorm",),
    positions=kept,
)

LAYERS = (LAYER_NORMALIZATION, BATCH_NORMALIZATION)
