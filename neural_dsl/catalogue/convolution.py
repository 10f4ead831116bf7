"""Convolution over time."""

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
)
from neural_dsl.catalogue.tensors import Tensor, Weight
from neural_dsl.catalogue.weights import FILTERS_1D, convolution_weights


def _complete(params: Params, inputs: Inputs) -> Params:
    features, groups = features_of("Conv1D", inputs[0]), params["groups"]
    for size, what in ((features, "input features"), (params["filters"], "filters")):
        if size % groups:
            raise LayerProblem(
                "NE027",
                f"`groups` must divide the {what}: {size} is not a multiple of {groups}",
                parameter="groups",
                label=f"{groups} groups cannot share {size} {what} evenly",
                help="use a common divisor of the input features and `filters`",
            )
    if params["strides"] > 1 and params["dilation_rate"] > 1:
        raise LayerProblem(
            "NE027",
            "`strides` and `dilation_rate` cannot both be above 1",
            parameter="dilation_rate",
            label=f"with strides of {params['strides']}",
            help="leave one of the two at 1",
        )
    return params


def _output(params: Params, inputs: Inputs) -> Tensor:
    length, stride = inputs[0].shape[0], params["strides"]
    reach = params["dilation_rate"] * (params["kernel_size"] - 1)
    if params["padding"] != "valid":
        reach = 0
    if length is not None:
        if length <= reach:
            raise LayerProblem(
                "NE034",
                f"the sequence has {length} positions, but the kernel spans {reach + 1}",
                parameter="kernel_size",
                label="longer than the sequence",
                help='use a smaller `kernel_size`, or `padding="same"`',
            )
        length = (length - reach - 1) // stride + 1
    kept = inputs[0].mask if reach == 0 and stride == 1 else None
    return Tensor((length, params["filters"]), mask=kept)


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

LAYERS = (CONV1D,)
