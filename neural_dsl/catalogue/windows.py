"""Windows that slide over an axis: how many fit, for convolutions and pooling."""

from __future__ import annotations

from neural_dsl.catalogue.spec import LayerProblem, Params, parameter
from neural_dsl.catalogue.tensors import Tensor

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
        raise LayerProblem(
            "NE034",
            f"{where}, but the window spans {span}",
            parameter=parameter,
            label="longer than what it slides over",
            help=f'use a smaller `{parameter}`, or `padding="same"`',
        )
    return (size - reach - 1) // stride + 1


def image_windows(
    image: Tensor, params: Params, size: str, channels: int | None
) -> Tensor:
    """What windows over an image (height, width, channels) give, with these channels.
    `size` is the parameter that says how large a window is."""
    rates = params.get("dilation_rate", (1, 1))
    found = [
        windows(
            length,
            rates[axis] * (params[size][axis] - 1) + 1,
            params["strides"][axis],
            params["padding"],
            f"the image is {length} {('high', 'wide')[axis]}",
            size,
        )
        for axis, length in enumerate(image.shape[:2])
    ]
    return Tensor((*found, channels))
