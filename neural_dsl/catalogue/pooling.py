"""From a sequence or an image to one vector, or to a smaller image.

Positions of a sequence that a mask hides are left out.
"""

from __future__ import annotations

from neural_dsl.catalogue.examples import example
from neural_dsl.catalogue.shapes import features_of
from neural_dsl.catalogue.spec import (
    Inputs,
    LayerSpec,
    Parameter,
    Params,
    Positions,
    always,
)
from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.catalogue.windows import PADDING, image_windows


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


def _max_complete(params: Params, inputs: Inputs) -> Params:
    return {**params, "strides": params["strides"] or params["pool_size"]}


def _max_output(params: Params, inputs: Inputs) -> Tensor:
    (*_, channels), spans = inputs[0].shape, params["pool_size"]
    rows, columns = image_windows(
        inputs[0].shape, spans, params["strides"], params["padding"], "pool_size"
    )
    return Tensor((rows, columns, channels))


MAX_POOLING_2D = LayerSpec(
    name="MaxPooling2D",
    family="pooling",
    doc="The largest value of each channel in windows of an image.",
    parameters=(
        Parameter("pool_size", "pair", (2, 2), "rows and columns of a window"),
        Parameter(
            "strides", "pair", None, "how far the window moves; by default its own size"
        ),
        PADDING,
    ),
    complete=_max_complete,
    output=_max_output,
    looks_ahead=always,
    ranks=(3,),
    time="none",
    examples=(
        example((6, 5, 4), gives=(3, 2, 4)),
        example((6, 5, 4), gives=(3, 3, 4), padding="same"),
        example((6, 5, 4), gives=(2, 4, 4), pool_size=(3, 2), strides=(2, 1)),
        example(
            (6, 5, 4), gives=(6, 2, 4), pool_size=(2, 4), strides=(1, 3), padding="same"
        ),
    ),
    aliases=("MaxPool2D",),
    positions=lambda params, inputs: Positions(
        "new", "an image has no positions in time"
    ),
)

GLOBAL_AVERAGE_POOLING_2D = LayerSpec(
    name="GlobalAveragePooling2D",
    family="pooling",
    doc="The mean of each channel over an image.",
    parameters=(),
    output=_pooled,
    looks_ahead=always,
    ranks=(3,),
    time="none",
    examples=(example((6, 5, 4), gives=(4,)),),
    aliases=("GlobalAvgPool2D", "GlobalAveragePool2D"),
    positions=lambda params, inputs: Positions("new", "it makes one of all positions"),
)

LAYERS = (
    GLOBAL_AVERAGE_POOLING_1D,
    GLOBAL_MAX_POOLING_1D,
    MAX_POOLING_2D,
    GLOBAL_AVERAGE_POOLING_2D,
)
