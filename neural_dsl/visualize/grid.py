"""Several matrices on one sheet: one scale, one bar, one legend, nothing overlapping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, TypeAlias

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

Places: TypeAlias = Sequence[Placed | None]

AXIS_NAME = 26  # the room for "query" or "key", in pixels
NARROWEST = 760
ROW_TITLE_SIZE = 8.5  # points
ROW_TITLE_GAP = 4  # between the title of a row and those of its panels
NAMES: Any = {"size": AXIS_SIZE, "color": style.QUIET, "va": "center"}


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
    longest = max(max(panel.weights.shape) for panel in panels if panel)
    count = len(panels)
    with matplotlib.rc_context(style.RC):
        placed: list[Placed | None] = []
        for index, panel in enumerate(panels):
            if panel is None:
                placed.append(None)
                continue
            room = side * max(panel.weights.shape) / longest if even_cells else side
            placed.append(
                place_panel(panel, index, count, columns, room, title_size, shared)
            )
        notes = [*notes, scale.note, *_smaller_than_pixels(placed)]
        layout = _Layout(
            placed, min(columns, count), title, notes, title_size, shared, scale
        )
        layout.add_row_titles(row_titles)
        return layout.draw()


def side_for(columns: int, few: Sequence[float], width: float, least: float) -> float:
    """How large panels may be: `few` says it for one, two, … in a row; more share the
    `width`, but none is smaller than `least`. All in pixels."""
    return few[columns - 1] if columns <= len(few) else max(least, width / columns)


@dataclass
class _Layout:
    """The grid: how wide each column and how high each row must be."""

    placed: Places
    columns: int
    title: str
    notes: Sequence[str]
    title_size: float
    shared: bool
    scale: Scale

    def __post_init__(self) -> None:
        placed = self.placed
        self.gap = 14.0 if self.shared else 34.0
        self.entries = legend_entries([one.panel for one in placed if one])
        name = AXIS_NAME * (not self.shared)
        by_column = [placed[c :: self.columns] for c in range(self.columns)]
        starts = range(0, len(placed), self.columns)
        by_row = [placed[start : start + self.columns] for start in starts]
        line = line_height(self.title_size)

        def most(parts: list[Places], size: Callable[[Placed], float]) -> list[float]:
            return [
                max((size(one) for one in part if one), default=0.0) for part in parts
            ]

        self.lefts = [left + name for left in most(by_column, lambda one: one.left)]
        self.widths = most(by_column, lambda one: one.width)
        self.tops = most(by_row, lambda one: len(one.title) * line)
        self.heights = most(by_row, lambda one: one.height)
        # In the last row of a shared grid that is not full, labels stand one row up.
        bottoms = most(by_row, lambda one: one.bottom)
        self.bottoms = [bottom + name * 0.8 for bottom in bottoms]
        self.across = sum(self.lefts) + sum(self.widths) + self.gap * (self.columns - 1)
        self.row_titles: list[list[str]] = [[] for _ in by_row]

    def add_row_titles(self, titles: Sequence[str]) -> None:
        """Make room for a title above each row."""
        for index, title in enumerate(titles):
            lines = wrap(drawable(title), ROW_TITLE_SIZE, self.across, bold=True)
            self.row_titles[index] = lines
            self.tops[index] += len(lines) * line_height(ROW_TITLE_SIZE) + ROW_TITLE_GAP

    def draw(self) -> Figure:
        outer = AXIS_NAME if self.shared else 0.0
        across = outer + self.across
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
        alone = len(self.heights) == 1
        bar_height = self.heights[0] if alone else min(sum(self.heights), 900)
        bar_left = MARGIN + across + BAR_GAP
        color_bar(sheet, bar_left, top + self.tops[0], bar_height, self.scale)
        if self.shared:
            self._shared_names(sheet, across, top, down)
        draw_legend(sheet, MARGIN, top + down + legend - 18, self.entries)
        return sheet.figure

    def _draw_grid(self, sheet: Sheet, left: float, top: float) -> None:
        y = top
        for row, titles in enumerate(self.row_titles):
            for number, line in enumerate(titles):
                above = y + number * line_height(ROW_TITLE_SIZE)
                sheet.text(left, above, line, ROW_TITLE_SIZE, bold=True)
            y += self.tops[row]
            x = left
            first = row * self.columns
            for column, one in enumerate(self.placed[first : first + self.columns]):
                x += self.lefts[column]
                if one is not None:
                    self._draw_one(sheet, one, x, y)
                x += self.widths[column] + self.gap
            y += self.heights[row] + self.bottoms[row] + self.gap

    def _draw_one(self, sheet: Sheet, one: Placed, x: float, y: float) -> None:
        axes = sheet.axes(x, y, one.width, one.height)
        draw_matrix(sheet, axes, one.panel, self.scale)
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
        for x, y, name, rotation in (
            (MARGIN + 8, middle_y, style.QUERY_LABEL, 90),
            (middle_x, top + down - 8, style.KEY_LABEL, 0),
        ):
            at = (x / sheet.width, 1 - y / sheet.height)
            sheet.figure.text(*at, name, rotation=rotation, ha="center", **NAMES)


def _smaller_than_pixels(placed: Places) -> list[str]:
    """The note on panels that have fewer pixels than weights along a side; see
    `draw_matrix`."""
    most = 1.0
    for one in placed:
        if one is not None:
            queries, keys = one.panel.weights.shape
            most = max(most, queries / one.height, keys / one.width)
    if most <= 1:
        return []
    block = ceil(most)
    return [f"each dot shows the largest of up to {block} × {block} weights"]


def _names(axes: Axes, one: Placed) -> None:
    """ "query" and "key" beside the labels of one panel."""
    axes.set_ylabel(style.QUERY_LABEL, **NAMES)
    axes.yaxis.set_label_coords(-(one.left + 12) / one.width, 0.5)
    axes.set_xlabel(style.KEY_LABEL, **NAMES)
    axes.xaxis.set_label_coords(0.5, -(one.bottom + 12) / one.height)
