"""From a sequence or an image to one vector, or to a smaller image.

Positions of a sequence that a mask hides are left out.
"""

from __future__ import annotations

from functools import partial

from neural_dsl.catalogue.shapes import PADDING, image_windows, imaging, pooling
from neural_dsl.catalogue.spec import Inputs, Params, example, parameter
from neural_dsl.catalogue.tensors import Tensor


def _pooled(params: Params, inputs: Inputs) -> Tensor:
    return Tensor((inputs[0].width,))


_to_one = partial(pooling, output=_pooled, sized="global pooling")
_over_time = partial(
    _to_one,
    ranks=(2,),
    time="first",
    reads_mask=True,
    examples=(
        example((10, 16), gives=(16,)),
        example((None, 6), gives=(6,), masked=True),
    ),
)

GLOBAL_AVERAGE_POOLING_1D = _over_time(
    name="GlobalAveragePooling1D",
    doc="The mean over time of each feature, of the valid positions only; all zeros "
    "where no position is valid.",
    aliases=("GlobalAvgPool1D", "GlobalAveragePool1D"),
)

GLOBAL_MAX_POOLING_1D = _over_time(
    name="GlobalMaxPooling1D",
    doc="The largest value over time of each feature, of the valid positions only; all "
    "zeros where no position is valid.",
    aliases=("GlobalMaxPool1D",),
)

_STRIDES = "how far the window moves; by default its own size"


def _max_complete(params: Params, inputs: Inputs) -> Params:
    return {**params, "strides": params["strides"] or params["pool_size"]}


def _max_output(params: Params, inputs: Inputs) -> Tensor:
    return image_windows(inputs[0], params, "pool_size", inputs[0].features)


_image = partial(example, (6, 5, 4))

MAX_POOLING_2D = imaging(
    name="MaxPooling2D",
    doc="The largest value of each channel in windows of an image.",
    parameters=(
        parameter("pool_size", "pair", (2, 2), "rows and columns of a window"),
        parameter("strides", "pair", None, _STRIDES),
        PADDING,
    ),
    complete=_max_complete,
    output=_max_output,
    examples=(
        _image(gives=(3, 2, 4)),
        _image(gives=(3, 3, 4), padding="same"),
        _image(gives=(2, 4, 4), pool_size=(3, 2), strides=(2, 1)),
        _image(gives=(6, 2, 4), pool_size=(2, 4), strides=(1, 3), padding="same"),
    ),
    aliases=("MaxPool2D",),
)

GLOBAL_AVERAGE_POOLING_2D = _to_one(
    name="GlobalAveragePooling2D",
    doc="The mean of each channel over an image.",
    ranks=(3,),
    examples=(example((6, 5, 4), gives=(4,)),),
    aliases=("GlobalAvgPool2D", "GlobalAveragePool2D"),
)
