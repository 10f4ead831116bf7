"""Windows that slide over an axis: how many fit, for convolutions and pooling."""

from __future__ import annotations

from neural_dsl.catalogue.spec import LayerProblem, Parameter

PADDING = Parameter(
    "padding",
    "choice",
    "valid",
    "what happens at the edges: no padding, or as much on both sides (one more at the end "
    "of an odd number) that every stride has a result, as in Keras",
    choices={"valid": "valid", "same": "same"},
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
    shape: tuple[int | None, ...],
    spans: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    parameter: str,
) -> tuple[int | None, int | None]:
    """The height and the width of the result, of an image (height, width, channels)."""
    (height, width), words = shape[:2], ("high", "wide")
    rows, columns = (
        windows(size, span, stride, padding, f"the image is {size} {word}", parameter)
        for size, span, stride, word in zip(
            (height, width), spans, strides, words, strict=True
        )
    )
    return rows, columns
