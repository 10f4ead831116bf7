"""Several matrices on one sheet: one scale, one bar, one legend, nothing overlapping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

from neural_dsl.attention.record import LayerAttention
from neural_dsl.visualize import style
from neural_dsl.visualize.labels import Ticks, drawable, ticks
from neural_dsl.visualize.sheet import (
    AXIS_SIZE,
    BAR_GAP,
    BAR_WIDTH,
    MARGIN,
    TICK,
    Matrix,
    Sheet,
    bar_text,
    bar_ticks,
    heading_lines,
    legend_entries,
    legend_width,
    line_height,
    measure,
    wrap,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST_CELL = 110  # pixels: a 3 × 3 matrix need not fill the page
SMALLEST_SIDE = 180  # pixels: a single query still makes a panel, not a line
AXIS_NAME = 26  # the room for "query" or "key"
NARROWEST = 760
ROW_TITLE_SIZE = 8.5  # points
ROW_TITLE_GAP = 4  # between the title of a row and those of its panels


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


def draw_panels(
    panels: Sequence[Panel | None],
    *,
    columns: int,
    side: float,
    title: str,
    notes: Sequence[str],
    title_size: float,
    shared: bool,
    row_titles: Sequence[str] = (),
    largest: float | None = None,
    even_cells: bool = False,
) -> Figure:
    """A figure of `panels`, row by row; each at most about `side` pixels large.

    With `shared`, all panels have the same axes and only the outer ones are labelled.
    With `even_cells`, smaller matrices get smaller panels. None leaves a place free.
    `row_titles` stand above the rows. The scale ends at the largest weight, or at
    `largest`.
    """
    sizes = [max(p.matrix.weights.shape) for p in panels if p is not None]
    shrink = 1 / max(sizes) if even_cells else 0.0
    with matplotlib.rc_context(style.RC):
        placed = [
            None
            if panel is None
            else _place(
                panel,
                index,
                len(panels),
                columns,
                side * (max(panel.matrix.weights.shape) * shrink or 1.0),
                title_size,
                shared,
            )
            for index, panel in enumerate(panels)
        ]
        layout = _Layout(placed, columns, title, notes, title_size, shared)
        if row_titles:
            layout.add_row_titles(row_titles)
        if largest is not None:
            layout.largest = largest
        return layout.draw()


def _place(
    panel: Panel,
    index: int,
    count: int,
    columns: int,
    side: float,
    title_size: float,
    shared: bool,
) -> Placed:
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


class _Layout:
    """The grid: how wide each column and how high each row must be."""

    def __init__(
        self,
        placed: Sequence[Placed | None],
        columns: int,
        title: str,
        notes: Sequence[str],
        title_size: float,
        shared: bool,
    ):
        self.placed, self.columns = placed, min(columns, len(placed))
        self.title, self.notes = title, [*notes, *_smaller_than_pixels(placed)]
        self.title_size, self.shared = title_size, shared
        self.gap = 14.0 if shared else 34.0
        matrices = [one.panel.matrix for one in placed if one is not None]
        self.entries = legend_entries(matrices)
        tops = [m.weights[m.allowed].max(initial=0.0) for m in matrices]
        self.largest = float(max(tops)) or 1.0
        name = AXIS_NAME * (not shared)
        by_column = [placed[c :: self.columns] for c in range(self.columns)]
        by_row = [
            placed[r : r + self.columns] for r in range(0, len(placed), self.columns)
        ]

        def most(
            part: Sequence[Placed | None], size: Callable[[Placed], float]
        ) -> float:
            return max((size(one) for one in part if one is not None), default=0.0)

        self.lefts = [most(part, lambda one: one.left) + name for part in by_column]
        self.widths = [most(part, lambda one: one.width) for part in by_column]
        line = line_height(title_size)
        self.tops = [most(part, lambda one: len(one.title) * line) for part in by_row]
        self.heights = [most(part, lambda one: one.height) for part in by_row]
        # In the last row of a shared grid that is not full, labels stand one row up.
        self.bottoms = [
            most(part, lambda one: one.bottom) + name * 0.8 for part in by_row
        ]
        self.row_titles: list[list[str]] = []

    def add_row_titles(self, titles: Sequence[str]) -> None:
        """Make room for a title above each row."""
        row = sum(self.lefts) + sum(self.widths) + self.gap * (self.columns - 1)
        for index, title in enumerate(titles):
            lines = wrap(drawable(title), ROW_TITLE_SIZE, row, bold=True)
            self.row_titles.append(lines)
            self.tops[index] += len(lines) * line_height(ROW_TITLE_SIZE) + ROW_TITLE_GAP

    def draw(self) -> Figure:
        outer = AXIS_NAME if self.shared else 0.0
        across = outer + sum(self.lefts) + sum(self.widths)
        across += self.gap * (self.columns - 1)
        labels = [measure(bar_text(t), 7.5)[0] for t in bar_ticks(self.largest)]
        bar = BAR_GAP + BAR_WIDTH + max(labels) + 40
        width = max(
            NARROWEST,
            2 * MARGIN + across + bar,
            2 * MARGIN + legend_width(self.entries),
        )
        lines = heading_lines(self.title, self.notes, width)
        top = MARGIN + sum(line_height(line.size) for line in lines) + 14
        down = sum(self.tops) + sum(self.heights) + sum(self.bottoms)
        down += self.gap * (len(self.heights) - 1) + outer * 0.8
        legend = 40.0 if self.entries else 0.0
        sheet = Sheet(width, top + down + legend + MARGIN)
        sheet.heading(self.title, self.notes)
        self._draw_grid(sheet, MARGIN + outer, top)
        bar_top, bar_height = top + self.tops[0], min(sum(self.heights), 900)
        if len(self.heights) == 1:
            bar_height = self.heights[0]
        sheet.color_bar(MARGIN + across + BAR_GAP, bar_top, bar_height, self.largest)
        if self.shared:
            self._shared_names(sheet, across, top, down)
        if self.entries:
            sheet.legend(MARGIN, top + down + legend - 18, self.entries)
        return sheet.figure

    def _draw_grid(self, sheet: Sheet, left: float, top: float) -> None:
        y = top
        for row in range(len(self.heights)):
            titles = self.row_titles[row] if self.row_titles else []
            for number, line in enumerate(titles):
                above = y + number * line_height(ROW_TITLE_SIZE)
                sheet.text(left, above, line, ROW_TITLE_SIZE, bold=True)
            y += self.tops[row]
            x = left
            for column in range(self.columns):
                x += self.lefts[column]
                index = row * self.columns + column
                one = self.placed[index] if index < len(self.placed) else None
                if one is not None:
                    self._draw_one(sheet, one, x, y)
                x += self.widths[column] + self.gap
            y += self.heights[row] + self.bottoms[row] + self.gap

    def _draw_one(self, sheet: Sheet, one: Placed, x: float, y: float) -> None:
        axes = sheet.axes(x, y, one.width, one.height)
        sheet.matrix(axes, one.panel.matrix, self.largest)
        sheet.tick_labels(axes, one.rows, one.columns)
        line = line_height(self.title_size)
        for number, text in enumerate(reversed(one.title), start=1):
            sheet.text(x, y - number * line, text, self.title_size)
        if not self.shared:
            _names(axes, one)

    def _shared_names(
        self, sheet: Sheet, across: float, top: float, down: float
    ) -> None:
        """ "query" and "key" once, along the left and along the bottom."""
        labels_left, labels_below = self.lefts[0], self.bottoms[-1]
        middle_x = MARGIN + AXIS_NAME + labels_left
        middle_x += (across - AXIS_NAME - labels_left) / 2
        head = self.tops[0]
        middle_y = top + head + (down - head - labels_below - AXIS_NAME * 0.8) / 2
        ink: dict[str, Any] = {
            "size": AXIS_SIZE,
            "color": style.QUIET,
            "va": "center",
            "ha": "center",
        }
        sheet.figure.text(
            (MARGIN + 8) / sheet.width,
            1 - middle_y / sheet.height,
            style.QUERY_LABEL,
            rotation=90,
            **ink,
        )
        sheet.figure.text(
            middle_x / sheet.width,
            1 - (top + down - 8) / sheet.height,
            style.KEY_LABEL,
            **ink,
        )


def _smaller_than_pixels(placed: Sequence[Placed | None]) -> list[str]:
    """The note on panels that have fewer pixels than weights along a side; see
    `Sheet.matrix`."""
    most = 1.0
    for one in placed:
        if one is not None:
            queries, keys = one.panel.matrix.weights.shape
            most = max(most, queries / one.height, keys / one.width)
    if most <= 1:
        return []
    block = ceil(most)
    return [f"each dot shows the largest of up to {block} × {block} weights"]


def _names(axes: Axes, one: Placed) -> None:
    """ "query" and "key" beside the labels of one panel."""
    ink: dict[str, Any] = {"size": AXIS_SIZE, "color": style.QUIET}
    axes.set_ylabel(style.QUERY_LABEL, va="center", **ink)
    axes.yaxis.set_label_coords(-(one.left + 12) / one.width, 0.5)
    axes.set_xlabel(style.KEY_LABEL, va="center", **ink)
    axes.xaxis.set_label_coords(0.5, -(one.bottom + 12) / one.height)
