"""Shape rules shared by the layers: what they need of their input and how masks travel.

Shapes leave out the batch axis; a sequence is (time, features). A time of None means any
length; sizes that weights depend on must be known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

from neural_dsl.catalogue.spec import Inputs, LayerProblem, LayerSpec, Params
from neural_dsl.catalogue.tensors import Mask, Shape, Tensor


def show(shape: Shape) -> str:
    """`(50, 256)`, with None for any length, as the language writes it."""
    inside = ", ".join(str(size) for size in shape)
    return f"({inside},)" if len(shape) == 1 else f"({inside})"


def same(params: Params, inputs: Inputs) -> Tensor:
    """The output is shaped like the input, and its mask still holds."""
    return inputs[0]


def features_of(layer: str, tensor: Tensor) -> int:
    """The size of the last axis. Raises NE033 when it is not known."""
    if tensor.features is None:
        raise LayerProblem(
            "NE033",
            f"`{layer}` needs to know the size of the last axis of its input",
            label=f"the input here is {show(tensor.shape)}",
            help="declare that size in `input:`; only the length of a sequence may be None",
        )
    return tensor.features


def with_features(tensor: Tensor, features: int) -> Tensor:
    """The tensor with its last axis replaced; the mask still holds on a sequence."""
    return Tensor((*tensor.shape[:-1], features), mask=tensor.mask)


def known_size(layer: str, tensor: Tensor) -> int:
    """The number of values in one example. Raises NE033 when a size is None."""
    if any(size is None for size in tensor.shape):
        raise LayerProblem(
            "NE033",
            f"`{layer}` needs an input whose size is known",
            label=f"the input here is {show(tensor.shape)}",
            help="declare the length in `input:`, or pool over it first with "
            "`GlobalAveragePooling1D()`",
        )
    return prod(size for size in tensor.shape if size is not None)


def check_groups(groups: int, sizes: Mapping[str, int], help: str) -> None:
    """Refuse groups that do not divide every one of the sizes, each told in words.
    Raises LayerProblem (NE027)."""
    for what, size in sizes.items():
        if size % groups:
            raise LayerProblem(
                "NE027",
                f"`groups` must divide the {what}: {size} is not a multiple of {groups}",
                parameter="groups",
                label=f"{groups} groups cannot share {size} {what} evenly",
                help=help,
            )


def all_valid(masks: Iterable[Mask | None]) -> Mask | None:
    """The mask of positions valid in every part; None (all valid) parts drop out."""
    parts: list[Mask] = []
    for mask in masks:
        if mask is None:
            continue
        for part in mask.parts if mask.operation == "all" else (mask,):
            if part not in parts:
                parts.append(part)
    if len(parts) <= 1:
        return parts[0] if parts else None
    return Mask("all", parts=tuple(parts))


def check_inputs(spec: LayerSpec, inputs: Inputs) -> None:
    """Refuse inputs of the wrong kind or rank for `spec.reads`. Raises LayerProblem."""
    for tensor in inputs:
        rank, given = len(tensor.shape), show(tensor.shape)
        if spec.ids and tensor.dtype != "ids":
            raise LayerProblem(
                "NE055",
                f"`{spec.name}` looks up token ids, but its input is {given} floats",
                label="only a network input can hold ids",
                help=f"make `{spec.name}` the first layer that reads its input",
            )
        if tensor.dtype == "ids" and not spec.ids:
            raise LayerProblem(
                "NE055",
                f"`{spec.name}` computes with numbers, but token ids arrive here",
                label="these ids still need an `Embedding`",
                help="put `Embedding(input_dim, output_dim)` before this layer",
            )
        if spec.ranks is not None and rank not in spec.ranks:
            needs = "token ids of shape (time,)" if spec.ids else wanted(spec.ranks)
            raise LayerProblem(
                "NE030",
                f"`{spec.name}` needs {needs}, but its input is {given}",
                label=f"gets {given}",
                help=_rank_help(spec, rank),
            )


KINDS = {
    1: "a vector (features,)",
    2: "a sequence (time, features)",
    3: "an image (height, width, channels)",
}
"""What an input of so many axes is called."""


def wanted(ranks: Iterable[int]) -> str:
    """`a sequence (time, features)`, for messages and docs."""
    return " or ".join(KINDS[rank] for rank in ranks)


def _rank_help(spec: LayerSpec, given: int) -> str:
    if spec.ids:
        return "declare the number of tokens alone, such as `input: (128,)`"
    rank = max(spec.ranks or ())
    axes = KINDS[rank].partition("(")[2].rstrip(")")
    if rank == 2 and given == 1:
        return (
            "declare the input as (time, features), such as `input: (50, 256)`, and keep "
            "Flatten and pooling behind this layer"
        )
    if rank == 3 and given == 2:
        return (
            "channels come last: an image without colours is `input: (28, 28, 1)`; or "
            f"bring it into that form with `Reshape(({axes}))`"
        )
    return f"bring it into that form with `Reshape(({axes}))`"
