"""Panels: matrices with the tokens along their sides, measured before they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.record import LayerAttention, Tokens
from neural_dsl.visualize.labels import Ticks, drawable, ticks
from neural_dsl.visualize.lettering import measure, wrap
from neural_dsl.visualize.scale import Kind, Scale, scale_of
from neural_dsl.visualize.sheet import TICK

LARGEST_CELL = 110  # pixels: a 3 × 3 matrix need not fill the page
SMALLEST_SIDE = 180  # pixels: a single query still makes a panel, not a line


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


@dataclass(frozen=True)
class Placed:
    """A panel with everything measured, in pixels."""

    panel: Panel
    width: float
    height: float
    title: list[str]
    rows: Ticks | None
    columns: Ticks | None

    @property
    def left(self) -> float:
        """The room for row labels."""
        return self.rows.extent + TICK if self.rows else 0

    @property
    def bottom(self) -> float:
        """The room for column labels."""
        return self.columns.extent + TICK if self.columns else 0


def make_panel(
    layer: LayerAttention, head: int | None, item: int = 0, title: str = ""
) -> Panel:
    """One head of a layer, or the mean of its heads, for one batch item."""
    mask = layer.query_mask
    return Panel(
        title,
        layer.tile(item, head),
        layer.allowed.tile(item, head),
        np.zeros(layer.shape[2], bool) if mask is None else ~mask[item],
        None if layer.expected is None else layer.expected[item],
        _of_item(layer.query_tokens, item),
        _of_item(layer.key_tokens, item),
    )


def _of_item(tokens: Tokens | None, item: int) -> Sequence[str] | None:
    return None if tokens is None else tokens[item]


def scale_of_panels(panels: Iterable[Panel | None], kind: Kind | None) -> Scale:
    """The one scale of all panels; without a `kind`, their weights choose."""
    return scale_of(((one.weights, one.allowed) for one in panels if one), kind)


def place_panel(
    panel: Panel,
    index: int,
    count: int,
    columns: int,
    side: float,
    title_size: float,
    shared: bool,
) -> Placed:
    """Measure a panel of at most about `side` pixels, one of `count` in `columns`. With
    `shared`, only the outer ones are labelled."""
    queries, keys = panel.weights.shape
    cell = max(1, round(min(side / max(queries, keys), LARGEST_CELL)))
    width, height = _length(keys, cell, side), _length(queries, cell, side)
    largest = 9.0 if side > 400 else 7.0
    rows = columns_below = None
    if not shared or index % columns == 0:
        rows = ticks(
            panel.query_tokens, queries, height / queries, measure, False, largest
        )
    if not shared or index + columns >= count:
        columns_below = ticks(
            panel.key_tokens, keys, width / keys, measure, True, largest
        )
    room = max(width, 60)
    title = wrap(drawable(panel.title), title_size, room) if panel.title else []
    return Placed(panel, width, height, title, rows, columns_below)


def _length(count: int, cell: int, side: float) -> float:
    """Pixels along one side: whole pixels a cell, as long as that is not too long."""
    if count * cell > 1.5 * side:
        return side
    return max(count * cell, count * -(-min(SMALLEST_SIDE, side) // count))
