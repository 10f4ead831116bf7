"""Layers that make one tensor of several, and the residual block."""

from __future__ import annotations

from neural_dsl.catalogue.shapes import all_valid, pointwise, show
from neural_dsl.catalogue.spec import Inputs, LayerProblem, Params, example, parameter
from neural_dsl.catalogue.tensors import Mask, Positions, Tensor


def _add_output(params: Params, inputs: Inputs) -> Tensor:
    first = inputs[0]
    for other in inputs[1:]:
        if other.shape != first.shape:
            shapes = f"{show(first.shape)} and {show(other.shape)}"
            message = f"`Add` needs inputs of one shape, but gets {shapes}"
            help = "bring them to one size, with `Dense(units)` for instance"
            raise LayerProblem("NE032", message, "these cannot be added", help)
    return Tensor(first.shape, mask=all_valid(tensor.mask for tensor in inputs))


ADD = pointwise(
    name="Add",
    doc="The sum of its inputs, which all have one shape.",
    output=_add_output,
    examples=(
        example((10, 8), (10, 8)),
        example((10, 8), (10, 8), (10, 8), masked=True),
    ),
    arity="many",
)


def _concatenate_complete(params: Params, inputs: Inputs) -> Params:
    """Count the axis from the end, so that -1 is features and -2 is time."""
    rank, axis = len(inputs[0].shape), params["axis"]
    if any(len(tensor.shape) != rank for tensor in inputs):
        raise _cannot_concatenate(inputs, "they have different numbers of axes")
    if axis == 0 or not -rank <= axis <= rank:
        there = f"the inputs have {rank} axes besides the batch"
        message = f"`axis` {axis} cannot be joined along: {there}"
        label = "the batch axis" if axis == 0 else "no such axis"
        allowed = ", ".join(str(a) for a in range(-rank, rank + 1) if a)
        raise LayerProblem("NE027", message, label, f"use one of {allowed}", "axis")
    return {**params, "axis": axis if axis < 0 else axis - rank - 1}


def _cannot_concatenate(inputs: Inputs, why: str) -> LayerProblem:
    shapes = ", ".join(show(tensor.shape) for tensor in inputs)
    help = "all sizes but that of the joined axis must be equal"
    return LayerProblem("NE032", f"`Concatenate` cannot join {shapes}", why, help)


def _concatenate_output(params: Params, inputs: Inputs) -> Tensor:
    axis, first = params["axis"], inputs[0].shape
    for tensor in inputs[1:]:
        for position in range(-len(first), 0):
            if position != axis and tensor.shape[position] != first[position]:
                why = f"they differ along another axis than {axis}"
                raise _cannot_concatenate(inputs, why)
    sizes = [tensor.shape[axis] for tensor in inputs]
    known = [size for size in sizes if size is not None]
    joined = list(first)
    joined[axis] = sum(known) if len(known) == len(sizes) else None
    along_time = axis == -len(first) and len(first) > 1
    mask = _joined_mask(inputs) if along_time else all_valid(t.mask for t in inputs)
    return Tensor(tuple(joined), mask=mask)


def _joined_mask(inputs: Inputs) -> Mask | None:
    """The masks one after another; unmasked parts count as valid throughout."""
    if all(tensor.mask is None for tensor in inputs):
        return None
    parts = []
    for tensor in inputs:
        length = tensor.shape[0]
        if tensor.mask is None and length is None:
            message = "`Concatenate` joins a masked sequence with one of unknown length"
            label = "the length of the unmasked part must be known"
            raise LayerProblem(
                "NE033", message, label, "declare its length in `input:`"
            )
        parts.append(tensor.mask or Mask("ones", length=length or 0))
    return Mask("concat", parts=tuple(parts))


def _concatenate_positions(params: Params, inputs: Inputs) -> Positions:
    if params["axis"] > -len(inputs[0].shape):
        return Positions("kept")
    if len(inputs[0].shape) > 1:
        return Positions("joined")
    return Positions("new", "it joins features, which are no positions")


CONCATENATE = pointwise(
    name="Concatenate",
    doc="Its inputs side by side along one axis; the batch is axis 0, the last is -1.",
    parameters=(parameter("axis", "int", -1, "the axis to join along"),),
    complete=_concatenate_complete,
    output=_concatenate_output,
    looks_ahead=lambda params: params["axis"] != -1,
    examples=(
        example((10, 8), (10, 4), gives=(10, 12)),
        example((10, 8), (6, 8), gives=(16, 8), axis=1),
        example((9, 8), (9, 8), gives=(18, 8), masked=True, axis=-2),
        example((4, 3, 6), (4, 3, 2), gives=(4, 3, 8), axis=3),
    ),
    arity="many",
    positions=_concatenate_positions,
)


def _residual_output(params: Params, inputs: Inputs) -> Tensor:
    """`inputs` are (what the body gives, what it was given)."""
    body, skip = inputs
    if body.shape != skip.shape:
        gives = f"its body's output {show(body.shape)}"
        message = f"a residual block adds its input {show(skip.shape)} to {gives}"
        help = f"end the body with a layer that gives {show(skip.shape)} again"
        raise LayerProblem("NE032", message, "the body changes the shape", help)
    return Tensor(skip.shape, mask=all_valid((skip.mask, body.mask)))


RESIDUAL_CONNECTION = pointwise(
    name="ResidualConnection",
    doc="`ResidualConnection { … }`: the result of its body plus its own input.",
    output=_residual_output,
    examples=(),
    aliases=("Residual",),
)
"""A block, not a layer: the model graph has a `Residual` node for it."""
