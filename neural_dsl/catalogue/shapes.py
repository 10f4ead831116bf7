"""Rules that layers share: what they need of their input, what they know of order and time,
how many windows fit, and how masks travel.

Shapes leave out the batch axis; a sequence is (time, features). A time of None means any
length; sizes that weights depend on must be known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import prod

from neural_dsl.catalogue.spec import Inputs, LayerProblem, LayerSpec, Params, parameter
from neural_dsl.catalogue.tensors import Mask, Positions, Shape, Tensor

# --- kinds of layers; an entry may say otherwise ------------------------------------------


def same(params: Params, inputs: Inputs) -> Tensor:
    """The output is shaped like the input, and its mask still holds."""
    return inputs[0]


def never(params: Params) -> bool:
    """Rule of `looks_ahead`: each position is computed from itself and earlier ones."""
    return False


def always(params: Params) -> bool:
    """Rule of `looks_ahead`: later positions count too."""
    return True


def kept(params: Params, inputs: Inputs) -> Positions:
    """Each position of the result is the position of the input that stands there."""
    return Positions("kept")


def new(why: str) -> Callable[[Params, Inputs], Positions]:
    """The rule of a layer whose positions are none of its input, and why they are not."""
    return lambda params, inputs: Positions("new", why)


_kept = partial(LayerSpec, output=same, looks_ahead=never, positions=kept)
pointwise = partial(_kept, ranks=None, time="carried")
"""Each position by itself, whatever the axes are."""

sequential = partial(_kept, ranks=(2,), time="first")
"""Position by position of a sequence (time, features); attention says itself what it sees."""

_new = partial(LayerSpec, looks_ahead=always, time="none")
pooling = partial(_new, positions=new("it makes one of all positions"))
"""One result of all positions."""

imaging = partial(_new, ranks=(3,), positions=new("an image has no positions in time"))
"""Over an image (height, width, channels)."""

whole = partial(_new, ranks=None)
"""Of all values of an example, whatever the axes are."""


# --- what they need of their input --------------------------------------------------------

KINDS = {
    1: "a vector (features,)",
    2: "a sequence (time, features)",
    3: "an image (height, width, channels)",
}
"""What an input of so many axes is called."""


def show(shape: Shape) -> str:
    """`(50, 256)`, with None for any length, as the language writes it."""
    return str(shape)


def wanted(ranks: Iterable[int]) -> str:
    """`a sequence (time, features)`, for messages and docs."""
    return " or ".join(KINDS[rank] for rank in ranks)


def check_inputs(spec: LayerSpec, inputs: Inputs) -> None:
    """Refuse inputs of the wrong kind or rank for `spec.reads`. Raises LayerProblem."""
    name = f"`{spec.name}`"
    for tensor in inputs:
        rank, given = len(tensor.shape), show(tensor.shape)
        if spec.ids and tensor.dtype != "ids":
            message = f"{name} looks up token ids, but its input is {given} floats"
            label = "only a network input can hold ids"
            help = f"make {name} the first layer that reads its input"
            raise LayerProblem("NE055", message, label, help)
        if tensor.dtype == "ids" and not spec.ids:
            message = f"{name} computes with numbers, but token ids arrive here"
            label = "these ids still need an `Embedding`"
            help = "put `Embedding(input_dim, output_dim)` before this layer"
            raise LayerProblem("NE055", message, label, help)
        if spec.ranks is not None and rank not in spec.ranks:
            needs = "token ids of shape (time,)" if spec.ids else wanted(spec.ranks)
            message = f"{name} needs {needs}, but its input is {given}"
            raise LayerProblem("NE030", message, f"gets {given}", _help(spec, rank))
        if spec.sized and tensor.features is None:
            size = "the size of the last axis of its input"
            help = "declare that size in `input:`; only the length of a sequence may be None"
            message = f"`{spec.sized}` needs to know {size}"
            raise LayerProblem("NE033", message, f"the input here is {given}", help)


def _help(spec: LayerSpec, given: int) -> str:
    """How to get an input of the right number of axes."""
    if spec.ids:
        return "declare the number of tokens alone, such as `input: (128,)`"
    rank = max(spec.ranks or ())
    axes = KINDS[rank].partition("(")[2].rstrip(")")
    bring = f"bring it into that form with `Reshape(({axes}))`"
    if (given, rank) == (1, 2):
        return (
            "declare the input as (time, features), such as `input: (50, 256)`, and keep "
            "Flatten and pooling behind this layer"
        )
    if (given, rank) == (2, 3):
        without = "an image without colours is `input: (28, 28, 1)`"
        return f"channels come last: {without}; or {bring}"
    return bring


def known_size(layer: str, tensor: Tensor) -> int:
    """The number of values in one example. Raises NE033 when a size is None."""
    known = [size for size in tensor.shape if size is not None]
    if len(known) == len(tensor.shape):
        return prod(known)
    message = f"`{layer}` needs an input whose size is known"
    label = f"the input here is {show(tensor.shape)}"
    pool = "pool over it first with `GlobalAveragePooling1D()`"
    help = f"declare the length in `input:`, or {pool}"
    raise LayerProblem("NE033", message, label, help)


def check_groups(groups: int, sizes: Mapping[str, int], help: str) -> None:
    """Refuse groups that do not divide every one of the sizes, each told in words.
    Raises LayerProblem (NE027)."""
    for what, size in sizes.items():
        if size % groups:
            fact = f"{size} is not a multiple of {groups}"
            message = f"`groups` must divide the {what}: {fact}"
            label = f"{groups} groups cannot share {size} {what} evenly"
            raise LayerProblem("NE027", message, label, help, "groups")


# --- windows that slide over an axis ------------------------------------------------------

PADDING = parameter(
    "padding",
    "choice",
    "valid",
    "what happens at the edges: no padding, or as much on both sides (one more at the end "
    "of an odd number) that every stride has a result, as in Keras",
    "valid same",
)


def windows(
    size: int | None, span: int, stride: int, padding: str, where: str, parameter: str
) -> int | None:
    """How many results windows of `span` give along an axis, None for any length.

    `where` is for the message, "the image is 4 high"; `parameter` is what to blame.
    Raises NE034 when not one window fits.
    """
    if size is None:
        return None
    reach = span - 1 if padding == "valid" else 0
    if size <= reach:
        message = f"{where}, but the window spans {span}"
        label = "longer than what it slides over"
        help = f'use a smaller `{parameter}`, or `padding="same"`'
        raise LayerProblem("NE034", message, label, help, parameter)
    return (size - reach - 1) // stride + 1


def image_windows(
    image: Tensor, params: Params, size: str, channels: int | None
) -> Tensor:
    """What windows over an image (height, width, channels) give, with these channels.
    `size` is the parameter that says how large a window is."""
    rates, padding, found = params.get("dilation_rate", (1, 1)), params["padding"], []
    for axis, (length, word) in enumerate(
        zip(image.shape, ("high", "wide"), strict=False)
    ):
        span = rates[axis] * (params[size][axis] - 1) + 1
        where, stride = f"the image is {length} {word}", params["strides"][axis]
        found.append(windows(length, span, stride, padding, where, size))
    return Tensor((*found, channels))


# --- masks --------------------------------------------------------------------------------


def all_valid(masks: Iterable[Mask | None]) -> Mask | None:
    """The mask of positions valid in every part; None (all valid) parts drop out."""
    parts: dict[Mask, None] = {}
    for mask in masks:
        if mask is not None:
            parts |= dict.fromkeys(mask.parts if mask.operation == "all" else [mask])
    if len(parts) <= 1:
        return next(iter(parts), None)
    return Mask("all", parts=tuple(parts))
