"""Panels: matrices with the tokens along their sides, measured before they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from neural_dsl.attention.record import LayerAttention
from neural_dsl.visualize.labels import Ticks, drawable, ticks
from neural_dsl.visualize.lettering import measure, wrap
from neural_dsl.visualize.matrix import Matrix
from neural_dsl.visualize.scale import Kind, Scale, scale_of
from neural_dsl.visualize.sheet import TICK

LARGEST_CELL = 110  # pixels: a 3 × 3 matrix need not fill the page
SMALLEST_SIDE = 180  # pixels: a single query still makes a panel, not a line


@dataclass(frozen=True)
class Panel:
    """A matrix and the tokens along its sides."""

    matrix: Matrix
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


def make_panel(layer: LayerAttention, head: int | None, item: int, title: str) -> Panel:
    """One head of a layer, or the mean of its heads, for one batch item."""
    query_mask = None if layer.query_mask is None else layer.query_mask[item]
    matrix = Matrix(
        title=title,
        weights=layer.tile(item, head),
        allowed=layer.allowed.tile(item, head),
        padded=np.zeros(layer.shape[2], bool) if query_mask is None else ~query_mask,
        expected=None if layer.expected is None else layer.expected[item],
    )
    return Panel(
        matrix,
        None if layer.query_tokens is None else layer.query_tokens[item],
        None if layer.key_tokens is None else layer.key_tokens[item],
    )


def scale_of_panels(panels: Iterable[Panel | None], kind: Kind | None) -> Scale:
    """The one scale of all panels; without a `kind`, their weights choose."""
    matrices = [panel.matrix for panel in panels if panel is not None]
    return scale_of(((one.weights, one.allowed) for one in matrices), kind)


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
    queries, keys = panel.matrix.weights.shape
    cell = max(1, round(min(side / max(queries, keys), LARGEST_CELL)))
    width, height = _length(keys, cell, side), _length(queries, cell, side)
    labels_left = not shared or index % columns == 0
    labels_below = not shared or index + columns >= count
    largest = 9.0 if side > 400 else 7.0
    title = panel.matrix.title
    return Placed(
        panel,
        width,
        height,
        wrap(drawable(title), title_size, max(width, 60)) if title else [],
        ticks(
            panel.query_tokens,
            queries,
            height / queries,
            measure,
            across=False,
            largest=largest,
        )
        if labels_left
        else None,
        ticks(
            panel.key_tokens, keys, width / keys, measure, across=True, largest=largest
        )
        if labels_below
        else None,
    )


def _length(count: int, cell: int, side: float) -> float:
    """Pixels along one side: whole pixels a cell, as long as that is not too long."""
    if count * cell > 1.5 * side:
        return side
    return max(count * cell, count * -(-min(SMALLEST_SIDE, side) // count))
