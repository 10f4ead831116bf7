"""Convolution over time, and over images."""

from __future__ import annotations

from neural_dsl.catalogue.core import ACTIVATION, USE_BIAS
from neural_dsl.catalogue.examples import example
from neural_dsl.catalogue.shapes import features_of
from neural_dsl.catalogue.spec import (
    Inputs,
    LayerProblem,
    LayerSpec,
    Parameter,
    Params,
    Positions,
    always,
)
from neural_dsl.catalogue.tensors import Tensor, Weight
from neural_dsl.catalogue.weights import FILTERS_1D, FILTERS_2D, convolution_weights
from neural_dsl.catalogue.windows import PADDING, image_windows, windows


def _complete(params: Params, inputs: Inputs) -> Params:
    features, groups = features_of("a convolution", inputs[0]), params["groups"]
    for size, what in ((features, "input features"), (params["filters"], "filters")):
        if size % groups:
            raise LayerProblem(
                "NE027",
                f"`groups` must divide the {what}: {size} is not a multiple of {groups}",
                parameter="groups",
                label=f"{groups} groups cannot share {size} {what} evenly",
                help="use a common divisor of the input features and `filters`",
            )
    strides, dilation_rate = params["strides"], params["dilation_rate"]
    if _largest(strides) > 1 and _largest(dilation_rate) > 1:
        raise LayerProblem(
            "NE027",
            "`strides` and `dilation_rate` cannot both be above 1",
            parameter="dilation_rate",
            label=f"with strides of {strides}",
            help="leave one of the two at 1",
        )
    return params


def _largest(size: int | tuple[int, ...]) -> int:
    return max(size) if isinstance(size, tuple) else size


def _output(params: Params, inputs: Inputs) -> Tensor:
    length, stride = inputs[0].shape[0], params["strides"]
    span = params["dilation_rate"] * (params["kernel_size"] - 1) + 1
    where = f"the sequence has {length} positions"
    same = "valid" if params["padding"] == "valid" else "same"
    count = windows(length, span, stride, same, where, "kernel_size")
    all_kept = stride == 1 and (span == 1 or same == "same")
    return Tensor((count, params["filters"]), mask=inputs[0].mask if all_kept else None)


def _positions(params: Params, inputs: Inputs) -> Positions:
    """The mask's rule as well: see `_output`."""
    stride, kernel = params["strides"], params["kernel_size"]
    if stride > 1:
        return Positions("new", f"`strides={stride}` leaves one position of {stride}")
    if params["padding"] == "valid" and kernel > 1:
        return Positions(
            "new", f"without padding a kernel of {kernel} makes windows of positions"
        )
    return Positions("kept")


def _weights(params: Params, inputs: Inputs) -> tuple[Weight, ...]:
    per_group = features_of("Conv1D", inputs[0]) // params["groups"]
    shape = (params["filters"], per_group, params["kernel_size"])
    return convolution_weights(FILTERS_1D, shape, params["use_bias"])


# Trainable numbers of most examples: 8 filters over 3 positions of 16 features.
PLAIN = 8 * 3 * 16 + 8

CONV1D = LayerSpec(
    name="Conv1D",
    family="convolution",
    doc="Slides learned filters along the sequence (time, features). Weights start "
    "Glorot uniform, biases at zero.",
    parameters=(
        Parameter("filters", "count", doc="number of features of the output"),
        Parameter("kernel_size", "size", doc="how many positions a filter spans"),
        ACTIVATION,
        Parameter("strides", "size", 1, "how far the filter moves each time"),
        Parameter(
            "padding",
            "choice",
            "valid",
            "what happens at the ends: no padding, zeros on both sides so that every "
            "position has a result, or zeros before the start only",
            choices={"valid": "valid", "same": "same", "causal": "causal"},
        ),
        Parameter("dilation_rate", "size", 1, "distance of the positions read"),
        Parameter("groups", "count", 1, "groups of features that stay apart"),
        USE_BIAS,
    ),
    complete=_complete,
    output=_output,
    looks_ahead=lambda params: (
        params["padding"] != "causal" and params["kernel_size"] > 1
    ),
    ranks=(2,),
    time="first",
    examples=(
        example((10, 16), gives=(8, 8), numbers=PLAIN, filters=8, kernel_size=3),
        example(
            (None, 16), gives=(None, 8), numbers=PLAIN, filters=8, kernel_size=(3,)
        ),
        *(
            example(
                (10, 16), gives=gives, numbers=PLAIN, filters=8, kernel_size=3, **more
            )
            for gives, more in (
                ((10, 8), {"padding": "same", "activation": "relu"}),
                ((10, 8), {"padding": "causal"}),
                ((4, 8), {"strides": 2}),
                ((4, 8), {"strides": 3, "padding": "same"}),
                ((6, 8), {"dilation_rate": 2}),
                ((10, 8), {"dilation_rate": 2, "padding": "causal"}),
            )
        ),
        example(
            (10, 16),
            gives=(8, 8),
            numbers=4 * 3 * 8,
            filters=8,
            kernel_size=3,
            groups=4,
            use_bias=False,
        ),
        example((10, 16), gives=(10, 8), numbers=136, filters=8, kernel_size=1),
    ),
    weights=_weights,
    positions=_positions,
)


def _image_output(params: Params, inputs: Inputs) -> Tensor:
    spans = tuple(
        rate * (size - 1) + 1
        for rate, size in zip(
            params["dilation_rate"], params["kernel_size"], strict=True
        )
    )
    rows, columns = image_windows(
        inputs[0].shape,
        (spans[0], spans[1]),
        params["strides"],
        params["padding"],
        "kernel_size",
    )
    return Tensor((rows, columns, params["filters"]))


def _image_weights(params: Params, inputs: Inputs) -> tuple[Weight, ...]:
    per_group = features_of("Conv2D", inputs[0]) // params["groups"]
    shape = (params["filters"], per_group, *params["kernel_size"])
    return convolution_weights(FILTERS_2D, shape, params["use_bias"])


CONV2D = LayerSpec(
    name="Conv2D",
    family="convolution",
    doc="Slides learned filters over an image (height, width, channels). Weights start "
    "Glorot uniform, biases at zero.",
    parameters=(
        Parameter("filters", "count", doc="number of channels of the output"),
        Parameter(
            "kernel_size", "pair", doc="how many rows and columns a filter spans"
        ),
        ACTIVATION,
        Parameter("strides", "pair", (1, 1), "how far the filter moves down and right"),
        PADDING,
        Parameter("dilation_rate", "pair", (1, 1), "distance of the positions read"),
        Parameter("groups", "count", 1, "groups of channels that stay apart"),
        USE_BIAS,
    ),
    complete=_complete,
    output=_image_output,
    looks_ahead=always,
    ranks=(3,),
    time="none",
    examples=(
        example(
            (6, 5, 4),
            gives=(4, 4, 8),
            numbers=8 * 3 * 2 * 4 + 8,
            filters=8,
            kernel_size=(3, 2),
        ),
        example(
            (6, 5, 4),
            gives=(6, 5, 8),
            numbers=8 * 3 * 3 * 4 + 8,
            filters=8,
            kernel_size=3,
            padding="same",
            activation="softmax",
        ),
        example(
            (6, 5, 4),
            gives=(3, 2, 8),
            numbers=8 * 4 * 3 * 4 + 8,
            filters=8,
            kernel_size=(4, 3),
            strides=(2, 3),
            padding="same",
        ),
        example(
            (6, 5, 4),
            gives=(2, 3, 6),
            numbers=6 * 3 * 3 * 4 + 6,
            filters=6,
            kernel_size=3,
            dilation_rate=(2, 1),
            activation="gelu",
        ),
        example(
            (6, 5, 4),
            gives=(2, 4, 6),
            numbers=6 * 3 * 2 * 2,
            filters=6,
            kernel_size=(3, 2),
            strides=(2, 1),
            groups=2,
            use_bias=False,
        ),
    ),
    weights=_image_weights,
    positions=lambda params, inputs: Positions(
        "new", "an image has no positions in time"
    ),
)

LAYERS = (CONV1D, CONV2D)
