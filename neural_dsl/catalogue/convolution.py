"""Convolution over time, and over images."""

from __future__ import annotations

from functools import partial
from typing import Any

from neural_dsl.catalogue.core import ACTIVATION, USE_BIAS
from neural_dsl.catalogue.shapes import (
    PADDING,
    check_groups,
    image_windows,
    imaging,
    sequential,
    windows,
)
from neural_dsl.catalogue.spec import (
    Example,
    Inputs,
    LayerProblem,
    Params,
    example,
    parameter,
)
from neural_dsl.catalogue.tensors import FILTERS, Positions, Tensor, Weights, with_bias

_ENDS = (
    "what happens at the ends: no padding, zeros on both sides so that every position has "
    "a result, or zeros before the start only"
)
_FIELD = "how many rows and columns a filter spans"


def _complete(params: Params, inputs: Inputs) -> Params:
    sizes = {"input features": inputs[0].width, "filters": params["filters"]}
    help = "use a common divisor of the input features and `filters`"
    check_groups(params["groups"], sizes, help)
    strides = params["strides"]
    if _largest(strides) > 1 and _largest(params["dilation_rate"]) > 1:
        message = "`strides` and `dilation_rate` cannot both be above 1"
        label, help = f"with strides of {strides}", "leave one of the two at 1"
        raise LayerProblem("NE027", message, label, help, "dilation_rate")
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
        why = f"without padding a kernel of {kernel} makes windows of positions"
        return Positions("new", why)
    return Positions("kept")


def _looks_ahead(params: Params) -> bool:
    return bool(params["padding"] != "causal" and params["kernel_size"] > 1)


def _weights(params: Params, inputs: Inputs) -> Weights:
    """Of both: `kernel_size` is one number, or one for each axis of an image."""
    size, per_group = params["kernel_size"], inputs[0].width // params["groups"]
    space = size if isinstance(size, tuple) else (size,)
    shape = (params["filters"], per_group, *space)
    return with_bias(FILTERS[len(space) - 1], shape, params["use_bias"])


# Most often 8 filters over 3 of 10 positions of 16 features.
_conv1d = partial(example, (10, 16), numbers=8 * 3 * 16 + 8, filters=8, kernel_size=3)

CONV1D = sequential(
    name="Conv1D",
    doc="Slides learned filters along the sequence (time, features). Weights start "
    "Glorot uniform, biases at zero.",
    parameters=(
        parameter("filters", "count", doc="number of features of the output"),
        parameter("kernel_size", "size", doc="how many positions a filter spans"),
        ACTIVATION,
        parameter("strides", "size", 1, "how far the filter moves each time"),
        parameter("padding", "choice", "valid", _ENDS, "valid same causal"),
        parameter("dilation_rate", "size", 1, "distance of the positions read"),
        parameter("groups", "count", 1, "groups of features that stay apart"),
        USE_BIAS,
    ),
    sized="a convolution",
    complete=_complete,
    output=_output,
    looks_ahead=_looks_ahead,
    weights=_weights,
    positions=_positions,
    orders=True,
    examples=(
        _conv1d(gives=(8, 8)),
        example((None, 16), gives=(None, 8), numbers=392, filters=8, kernel_size=(3,)),
        _conv1d(gives=(10, 8), padding="same", activation="relu"),
        _conv1d(gives=(10, 8), padding="causal"),
        _conv1d(gives=(4, 8), strides=2),
        _conv1d(gives=(4, 8), strides=3, padding="same"),
        _conv1d(gives=(6, 8), dilation_rate=2),
        _conv1d(gives=(10, 8), dilation_rate=2, padding="causal"),
        _conv1d(gives=(8, 8), numbers=4 * 3 * 8, groups=4, use_bias=False),
        _conv1d(gives=(10, 8), numbers=136, kernel_size=1),
    ),
)


def _image_output(params: Params, inputs: Inputs) -> Tensor:
    return image_windows(inputs[0], params, "kernel_size", params["filters"])


def _conv2d(
    gives: tuple[int, ...], numbers: int, kernel_size: Any, **params: Any
) -> Example:
    """Over an image of 6 rows, 5 columns and 4 channels."""
    given = {"filters": gives[-1], "kernel_size": kernel_size, **params}
    return example((6, 5, 4), gives=gives, numbers=numbers, **given)


CONV2D = imaging(
    name="Conv2D",
    doc="Slides learned filters over an image (height, width, channels). Weights start "
    "Glorot uniform, biases at zero.",
    parameters=(
        parameter("filters", "count", doc="number of channels of the output"),
        parameter("kernel_size", "pair", doc=_FIELD),
        ACTIVATION,
        parameter("strides", "pair", (1, 1), "how far the filter moves down and right"),
        PADDING,
        parameter("dilation_rate", "pair", (1, 1), "distance of the positions read"),
        parameter("groups", "count", 1, "groups of channels that stay apart"),
        USE_BIAS,
    ),
    sized="a convolution",
    complete=_complete,
    output=_image_output,
    weights=_weights,
    examples=(
        _conv2d((4, 4, 8), 8 * 3 * 2 * 4 + 8, (3, 2)),
        _conv2d((6, 5, 8), 8 * 3 * 3 * 4 + 8, 3, padding="same", activation="softmax"),
        _conv2d((3, 2, 8), 8 * 4 * 3 * 4 + 8, (4, 3), strides=(2, 3), padding="same"),
        _conv2d((2, 3, 6), 6 * 36 + 6, 3, dilation_rate=(2, 1), activation="gelu"),
        _conv2d((2, 4, 6), 6 * 12, (3, 2), strides=(2, 1), groups=2, use_bias=False),
    ),
)
