"""Several matrices on one sheet: one scale, one bar, one legend, nothing overlapping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import matplotlib

from neural_dsl.visualize import style
from neural_dsl.visualize.labels import drawable
from neural_dsl.visualize.legend import (
    BAR_GAP,
    bar_width,
    color_bar,
    draw_legend,
    legend_entries,
    legend_width,
)
from neural_dsl.visualize.lettering import AXIS_SIZE, heading_lines, line_height, wrap
from neural_dsl.visualize.matrix import draw_matrix
from neural_dsl.visualize.panels import Panel, Placed, place_panel, scale_of_panels
from neural_dsl.visualize.scale import Kind, Scale
from neural_dsl.visualize.sheet import MARGIN, Sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXIS_NAME = 26  # the room for "query" or "key", in pixels
NARROWEST = 760
ROW_TITLE_SIZE = 8.5  # points
ROW_TITLE_GAP = 4  # between the title of a row and those of its panels


def draw_panels(
    panels: Sequence[Panel | None],
    *,
    columns: int,
    side: float,
    title: str,
    notes: Sequence[str],
    title_size: float,
    shared: bool,
    scale: Scale | Kind | None,
    row_titles: Sequence[str] = (),
    even_cells: bool = False,
) -> Figure:
    """A figure of `panels`, row by row; each at most about `side` pixels large.

    With `shared`, all panels have the same axes and only the outer ones are labelled.
    With `even_cells`, smaller matrices get smaller panels. None leaves a place free.
    `row_titles` stand above the rows. All share one `scale`, which is named below the
    `notes`; the weights choose its kind where nobody else does.
    """
    if not isinstance(scale, Scale):
        scale = scale_of_panels(panels, scale)
    longest = max(max(p.matrix.weights.shape) for p in panels if p is not None)

    def place(panel: Panel, index: int) -> Placed:
        part = max(panel.matrix.weights.shape) / longest if even_cells else 1.0
        count = len(panels)
        return place_panel(
            panel, index, count, columns, side * part, title_size, shared
        )

    with matplotlib.rc_context(style.RC):
        placed = [
            None if panel is None else place(panel, index)
            for index, panel in enumerate(panels)
        ]
        layout = _Layout(placed, columns, title, notes, title_size, shared, scale)
        if row_titles:
            layout.add_row_titles(row_titles)
        return layout.draw()


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
        scale: Scale,
    ):
        self.placed, self.columns = placed, min(columns, len(placed))
        self.title, self.scale = title, scale
        self.notes = [*notes, scale.note, *_smaller_than_pixels(placed)]
        self.title_size, self.shared = title_size, shared
        self.gap = 14.0 if shared else 34.0
        matrices = [one.panel.matrix for one in placed if one is not None]
        self.entries = legend_entries(matrices)
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
        width = max(
            NARROWEST,
            2 * MARGIN + across + bar_width(self.scale),
            2 * MARGIN + legend_width(self.entries),
        )
        lines = heading_lines(self.title, self.notes, width - 2 * MARGIN)
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
        bar_left = MARGIN + across + BAR_GAP
        color_bar(sheet, bar_left, bar_top, bar_height, self.scale)
        if self.shared:
            self._shared_names(sheet, across, top, down)
        if self.entries:
            draw_legend(sheet, MARGIN, top + down + legend - 18, self.entries)
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
        draw_matrix(sheet, axes, one.panel.matrix, self.scale)
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
    `draw_matrix`."""
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
