"""One attention matrix, and how it is drawn: cells, masks, padding marks, outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.patches import Rectangle

from neural_dsl.attention.record import LayerAttention
from neural_dsl.visualize import style
from neural_dsl.visualize.scale import Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Panel:
    """One matrix: weights (query, key), where attention is allowed, padded queries, the
    cells (query, key) that the task expects, and the tokens along its sides."""

    title: str
    weights: npt.NDArray[np.floating]
    allowed: npt.NDArray[np.bool_]
    padded: npt.NDArray[np.bool_]  # (query,)
    expected: npt.NDArray[np.bool_] | None
    query_tokens: Sequence[str] | None
    key_tokens: Sequence[str] | None


def make_panel(
    layer: LayerAttention, head: int | None, item: int = 0, title: str = ""
) -> Panel:
    """One head of a layer, or the mean of its heads, for one batch item."""
    mask, expected = layer.query_mask, layer.expected
    queries, keys = layer.query_tokens, layer.key_tokens
    return Panel(
        title,
        layer.tile(item, head),
        layer.allowed.tile(item, head),
        np.zeros(layer.shape[2], bool) if mask is None else ~mask[item],
        None if expected is None else expected[item],
        None if queries is None else queries[item],
        None if keys is None else keys[item],
    )


def largest_of_blocks(
    weights: np.ma.MaskedArray[Any, Any], rows: int, columns: int
) -> np.ma.MaskedArray[Any, Any]:
    """At most `rows` × `columns` blocks of (query, key) weights, each with its largest
    weight; masked where the whole block is. The same matrix where it fits."""
    filled = np.ma.filled(weights, -1.0)  # below every weight
    for axis, room in ((0, rows), (1, columns)):
        count = filled.shape[axis]
        if count > room:
            starts = np.arange(room) * count // room
            filled = np.maximum.reduceat(filled, starts, axis=axis)
    return np.ma.masked_less(filled, 0.0)


def draw_matrix(axes: Axes, panel: Panel, scale: Scale) -> None:
    """Draw the weights in the colours of `scale`; row 0 is on top.

    Forbidden cells are transparent and show the hatched ground behind them. Where there
    are more cells than pixels, each pixel has the colour of its largest weight: an
    average would make a strong weight look weak, or vanish.
    """
    queries, keys = panel.weights.shape
    width, height = size(axes)
    values = scale.values(panel.weights, panel.allowed)
    shown = largest_of_blocks(
        np.ma.masked_array(values, ~panel.allowed),
        max(1, round(height)),
        max(1, round(width)),
    )
    if not panel.allowed.all():
        hatch(axes)
    low, high = scale.ends
    axes.imshow(
        np.ma.masked_array(scale.height(np.ma.filled(shown, 0.0)), shown.mask),
        interpolation="nearest",
        cmap=style.attention_colormap(scale.diverging),
        vmin=low,
        vmax=high,
        aspect="auto",
        zorder=1,
        extent=(-0.5, keys - 0.5, queries - 0.5, -0.5),
    )
    style.framed(axes)
    _padding_marks(axes, panel.padded)
    if panel.expected is not None:
        outline(axes, panel.expected)


def size(axes: Axes) -> tuple[float, float]:
    """How many pixels axes cover across and down, on a page of whole pixels."""
    place, page = axes.get_position(), axes.figure.bbox
    return place.width * round(page.width), place.height * round(page.height)


def hatch(axes: Axes) -> None:
    """The ground that shows where nothing is allowed."""
    axes.set_facecolor(style.MASKED)
    ground = Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False)
    ground.set(hatch="////", edgecolor=style.MASKED_HATCH, linewidth=0, zorder=0)
    axes.add_patch(ground)


def _padding_marks(axes: Axes, padded: npt.NDArray[np.bool_]) -> None:
    """A bar on the right of every run of padded queries."""
    edges = np.flatnonzero(np.diff(np.r_[0, padded.astype(int), 0]))
    width = 5 / size(axes)[0]
    for start, end in edges.reshape(-1, 2):
        bar = Rectangle((1.0, start - 0.5), width, end - start, color=style.PADDED)
        bar.set(transform=axes.get_yaxis_transform(), linewidth=0, zorder=3)
        axes.add_patch(bar).set_clip_on(False)


def outline(axes: Axes, cells: npt.NDArray[np.bool_]) -> None:
    """A frame inside each of these cells."""
    queries, keys = cells.shape
    width, height = size(axes)
    wide, high = width / keys, height / queries
    line = min(2.4, max(0.8, 0.09 * min(wide, high)))  # pixels
    inset = 1.1 * line  # the casing ends where the cell does
    colors = ((style.EXPECTED_CASING, 2.2 * line), (style.EXPECTED, line))
    for row, column in np.argwhere(cells):
        corner = (column - 0.5 + inset / wide, row - 0.5 + inset / high)
        for color, width in colors:
            frame = Rectangle(corner, 1 - 2 * inset / wide, 1 - 2 * inset / high)
            frame.set(fill=False, edgecolor=color, linewidth=width * 72 / style.DPI)
            frame.set(joinstyle="miter", zorder=2, gid="expected", snap=False)
            axes.add_patch(frame)
