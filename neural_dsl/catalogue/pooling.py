"""From a sequence to one vector. Positions that a mask hides are left out."""

from __future__ import annotations

from neural_dsl.catalogue.examples import example
from neural_dsl.catalogue.shapes import features_of
from neural_dsl.catalogue.spec import Inputs, LayerSpec, Params, Positions, always
from neural_dsl.catalogue.tensors import Tensor


def _pooled(params: Params, inputs: Inputs) -> Tensor:
    return Tensor((features_of("global pooling", inputs[0]),))


EXAMPLES = (
    example((10, 16), gives=(16,)),
    example((None, 6), gives=(6,), masked=True),
)

GLOBAL_AVERAGE_POOLING_1D = LayerSpec(
    name="GlobalAveragePooling1D",
    family="pooling",
    doc="The mean over time of each feature, of the valid positions only; all zeros "
    "where no position is valid.",
    parameters=(),
    output=_pooled,
    looks_ahead=always,
    ranks=(2,),
    time="first",
    examples=EXAMPLES,
    aliases=("GlobalAvgPool1D", "GlobalAveragePool1D"),
    reads_mask=True,
    positions=lambda params, inputs: Positions("new", "it makes one of all positions"),
)

GLOBAL_MAX_POOLING_1D = LayerSpec(
    name="GlobalMaxPooling1D",
    family="pooling",
    doc="The largest value over time of each feature, of the valid positions only; all "
    "zeros where no position is valid.",
    parameters=(),
    output=_pooled,
    looks_ahead=always,
    ranks=(2,),
    time="first",
    examples=EXAMPLES,
    aliases=("GlobalMaxPool1D",),
    reads_mask=True,
    positions=lambda params, inputs: Positions("new", "it makes one of all positions"),
)

LAYERS = (GLOBAL_AVERAGE_POOLING_1D, GLOBAL_MAX_POOLING_1D)
