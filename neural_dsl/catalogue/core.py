"""Dense layers and the layers without weights that keep or regroup values."""

from __future__ import annotations

from functools import partial
from math import prod

from neural_dsl.catalogue.shapes import known_size, new, pointwise, show, whole
from neural_dsl.catalogue.spec import Inputs, LayerProblem, Params, example, parameter
from neural_dsl.catalogue.tensors import Positions, Tensor, Weights, dense_weights

_APPLIED = "function applied to the result"
ACTIVATION = parameter("activation", "activation", "linear", _APPLIED)
USE_BIAS = parameter("use_bias", "bool", True, "whether a learned offset is added")
_PREDICTED = "number of classes or predicted values"
_SHOWN = "what probabilities are shown with"


def _dense_output(params: Params, inputs: Inputs) -> Tensor:
    return Tensor((*inputs[0].shape[:-1], params["units"]), mask=inputs[0].mask)


def _dense_weights(params: Params, inputs: Inputs) -> Weights:
    use_bias = params.get("use_bias", True)
    return dense_weights("", params["units"], inputs[0].width, use_bias)


def _dense_positions(params: Params, inputs: Inputs) -> Positions:
    if len(inputs[0].shape) > 1:
        return Positions("kept")
    return Positions("new", "each of its results is a sum over all values")


_dense = partial(
    pointwise,
    sized="Dense",
    output=_dense_output,
    weights=_dense_weights,
    positions=_dense_positions,
)

DENSE = _dense(
    name="Dense",
    doc="A weighted sum over the last axis: activation(x W^T + b). Weights start Glorot "
    "uniform, biases at zero.",
    parameters=(
        parameter("units", "count", doc="size of the last axis of the output"),
        ACTIVATION,
        USE_BIAS,
    ),
    examples=(
        example((16,), gives=(7,), numbers=16 * 7 + 7, units=7),
        example((10, 16), gives=(10, 7), numbers=16 * 7, units=7, use_bias=False),
        example((4, 3, 6), gives=(4, 3, 5), numbers=35, units=5, activation="gelu"),
    ),
)

OUTPUT = _dense(
    name="Output",
    doc="The head of the model, its last layer: a Dense whose result (the logits) the "
    "loss is computed from; its activation turns logits into what is shown. Weights "
    "start Glorot uniform, biases at zero.",
    parameters=(
        parameter("units", "count", doc=_PREDICTED, from_task="vocabulary"),
        parameter("activation", "activation", "linear", _SHOWN),
    ),
    examples=(
        example((16,), gives=(5,), numbers=16 * 5 + 5, units=5),
        example((10, 16), gives=(10, 5), numbers=16 * 5 + 5, units=5),
    ),
)

ACTIVATION_LAYER = pointwise(
    name="Activation",
    doc="Applies an activation function to every value.",
    parameters=(parameter("function activation", "activation", doc="the function"),),
    examples=(
        example((10, 16), function="gelu"),
        example((4, 3, 6), function="softmax"),
    ),
)

DROPOUT = pointwise(
    name="Dropout",
    doc="In training, sets a share of the values to zero and scales up the others.",
    parameters=(parameter("rate", "rate", doc="share of values that are dropped"),),
    examples=(example((10, 16), rate=0.5),),
)

FLATTEN = whole(
    name="Flatten",
    doc="Lays all values of one example in a row.",
    output=lambda params, inputs: Tensor((known_size("Flatten", inputs[0]),)),
    positions=new("it lays all values in one row"),
    examples=(example((10, 16), gives=(160,)), example((4, 3, 6), gives=(72,))),
)


def _reshape_complete(params: Params, inputs: Inputs) -> Params:
    """Replace a -1 in the target by the size that the input leaves for it."""
    size = known_size("Reshape", inputs[0])
    target: tuple[int, ...] = params["target_shape"]
    asked, split = prod(axis for axis in target if axis != -1), -1 in target
    if size % asked if split else size != asked:
        message = f"cannot reshape {show(inputs[0].shape)} to {show(target)}"
        label = f"{asked:,} values asked for, {size:,} there"
        if split:
            label = f"{size:,} values cannot be split into rows of {asked:,}"
        help = (
            "the sizes of the target must multiply to the number of values; one of "
            "them may be -1"
        )
        raise LayerProblem("NE042", message, label, help, "target_shape")
    found = tuple(size // asked if axis == -1 else axis for axis in target)
    return {**params, "target_shape": found}


def _reshape_positions(params: Params, inputs: Inputs) -> Positions:
    """Values stay in reading order, so as many rows as before are the same rows."""
    rows, before = params["target_shape"][0], inputs[0].shape[0]
    if rows == before:
        return Positions("kept")
    return Positions("new", f"it makes {rows} rows of {before}")


_SHAPE = "the new shape without the batch axis; one size may be -1"

RESHAPE = whole(
    name="Reshape",
    doc="Arranges the values of one example in another shape, in reading order.",
    parameters=(parameter("target_shape shape", "shape", doc=_SHAPE),),
    complete=_reshape_complete,
    output=lambda params, inputs: Tensor(params["target_shape"]),
    positions=_reshape_positions,
    examples=(
        example((10, 16), gives=(4, 40), target_shape=(4, -1)),
        example((160,), gives=(8, 20), target_shape=(8, 20)),
        example((10, 16), gives=(10, 4, 4), target_shape=(10, 4, 4)),
    ),
)
