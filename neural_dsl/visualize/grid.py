"""Several matrices on one sheet: one scale, one bar, one legend, nothing overlapping."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, TypeAlias

from neural_dsl.visualize import style
from neural_dsl.visualize.labels import drawable
from neural_dsl.visualize.lettering import (
    AXIS_SIZE,
    Ticks,
    heading_lines,
    line_height,
    ticks,
    wrap,
)
from neural_dsl.visualize.matrix import Panel, draw_matrix
from neural_dsl.visualize.scale import Scale, scale_of
from neural_dsl.visualize.sheet import MARGIN, TICK, Sheet, bar_width, legend_of
from neural_dsl.visualize.style import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# In pixels, but for the size of type.
LARGEST_CELL = 110  # a 3 × 3 matrix need not fill the page
SMALLEST_SIDE = 180  # a single query still makes a panel, not a line
AXIS_NAME = 26  # the room for "query" or "key"
NARROWEST = 760
ROW_TITLE_SIZE = 8.5  # points
ROW_TITLE_GAP = 4  # between the title of a row and those of its panels
NAMES: Any = {"size": AXIS_SIZE, "color": style.QUIET, "va": "center"}


def side_for(columns: int, few: Sequence[float], width: float, least: float) -> float:
    """How large panels may be: `few` says it for one, two, … in a row; more share the
    `width`, but none is smaller than `least`. All in pixels."""
    return few[columns - 1] if columns <= len(few) else max(least, width / columns)


def scale_of_panels(panels: Iterable[Panel | None], kind: Kind | None) -> Scale:
    """The one scale of all panels; without a `kind`, their weights choose."""
    return scale_of(((one.weights, one.allowed) for one in panels if one), kind)


@dataclass(frozen=True)
class Placed:
    """A panel with everything measured, in pixels: `left` and `bottom` are the room for
    the labels of rows and columns."""

    panel: Panel
    width: float
    height: float
    title: list[str]
    rows: Ticks | None
    columns: Ticks | None
    left: float
    bottom: float


Places: TypeAlias = list[Placed | None]


@dataclass
class Grid:
    """Panels, row by row, each at most about `side` pixels large.

    With `shared`, all have the same axes and only the outer ones are labelled. With
    `even_cells`, smaller matrices get smaller panels. None leaves a place free.
    `row_titles` stand above the rows. All share one `scale`, which is named below the
    `notes`; the weights choose its kind where nobody else does.
    """

    panels: Sequence[Panel | None]
    columns: int
    side: float
    title: str
    notes: Sequence[str]
    title_size: float
    scale: Scale | Kind | None = None
    shared: bool = False
    row_titles: Sequence[str] = ()
    even_cells: bool = False

    def draw(self) -> Figure:
        scale = self.scale
        if not isinstance(scale, Scale):
            scale = scale_of_panels(self.panels, scale)
        with style.settings():
            placed: Places = [
                self._place(one, index) if one else None
                for index, one in enumerate(self.panels)
            ]
            self.notes = [*self.notes, scale.note, *_smaller_than_pixels(placed)]
            self._measure(placed, min(self.columns, len(placed)))
            return self._draw(scale)

    def _place(self, panel: Panel, index: int) -> Placed:
        side, count = self.side, len(self.panels)
        queries, keys = panel.weights.shape
        if self.even_cells:
            every = (max(one.weights.shape) for one in self.panels if one)
            side = side * max(queries, keys) / max(every)
        cell = max(1, round(min(side / max(queries, keys), LARGEST_CELL)))
        width, height = _length(keys, cell, side), _length(queries, cell, side)
        largest = 9.0 if side > 400 else 7.0
        rows = columns = None
        if not self.shared or index % self.columns == 0:
            tokens = panel.query_tokens
            rows = ticks(tokens, queries, height / queries, False, largest)
        if not self.shared or index + self.columns >= count:
            tokens = panel.key_tokens
            columns = ticks(tokens, keys, width / keys, True, largest)
        title = panel.title and wrap(
            drawable(panel.title), self.title_size, max(width, 60)
        )
        left, bottom = (one.extent + TICK if one else 0 for one in (rows, columns))
        return Placed(panel, width, height, title or [], rows, columns, left, bottom)

    def _measure(self, placed: Places, columns: int) -> None:
        """How wide each column and how high each row must be."""
        self.gap = 14.0 if self.shared else 34.0
        self.legend = legend_of([panel for panel in self.panels if panel])
        name = AXIS_NAME * (not self.shared)
        starts = range(0, len(placed), columns)
        self.rows = [placed[start : start + columns] for start in starts]
        by_column = [placed[column::columns] for column in range(columns)]
        self.lefts = [_most(part, "left") + name for part in by_column]
        self.widths = [_most(part, "width") for part in by_column]
        self.heights = [_most(row, "height") for row in self.rows]
        # In the last row of a shared grid that is not full, labels stand one row up.
        self.bottoms = [_most(row, "bottom") + name * 0.8 for row in self.rows]
        self.across = sum(self.lefts) + sum(self.widths) + self.gap * (columns - 1)
        self.titles: list[list[str]] = [[] for _ in self.rows]
        lines = [max(len(one.title) if one else 0 for one in row) for row in self.rows]
        self.tops = [count * line_height(self.title_size) for count in lines]
        for index, title in enumerate(self.row_titles):
            wrapped = wrap(drawable(title), ROW_TITLE_SIZE, self.across, bold=True)
            self.titles[index] = wrapped
            above = len(wrapped) * line_height(ROW_TITLE_SIZE) + ROW_TITLE_GAP
            self.tops[index] += above

    def _draw(self, scale: Scale) -> Figure:
        outer = AXIS_NAME if self.shared else 0.0
        across = outer + self.across
        width = max(
            NARROWEST,
            2 * MARGIN + across + bar_width(scale),
            2 * MARGIN + sum(self.legend.values()),
        )
        lines = heading_lines(self.title, self.notes, width - 2 * MARGIN)
        top = MARGIN + sum(line_height(size) for _, size, _, _ in lines) + 14
        down = sum(self.tops) + sum(self.heights) + sum(self.bottoms)
        down += self.gap * (len(self.heights) - 1) + outer * 0.8
        legend = 40.0 if self.legend else 0.0
        sheet = Sheet(width, top + down + legend + MARGIN)
        sheet.heading(lines)
        y = top
        for index, row in enumerate(self.rows):
            for number, title in enumerate(self.titles[index]):
                above = y + number * line_height(ROW_TITLE_SIZE)
                sheet.text(MARGIN + outer, above, title, ROW_TITLE_SIZE, bold=True)
            y += self.tops[index]
            self._draw_row(sheet, row, MARGIN + outer, y, scale)
            y += self.heights[index] + self.bottoms[index] + self.gap
        alone = len(self.heights) == 1
        bar_height = self.heights[0] if alone else min(sum(self.heights), 900)
        sheet.color_bar(MARGIN + across, top + self.tops[0], bar_height, scale)
        if self.shared:  # "query" and "key" once, along the left and along the bottom
            left, head = self.lefts[0], self.tops[0]
            x = MARGIN + AXIS_NAME + left
            x += (across - AXIS_NAME - left) / 2
            y = top + head + (down - head - self.bottoms[-1] - AXIS_NAME * 0.8) / 2
            for at, name, rotation in (
                ((MARGIN + 8, y), style.QUERY_LABEL, 90),
                ((x, top + down - 8), style.KEY_LABEL, 0),
            ):
                place = sheet.place(*at)
                sheet.figure.text(*place, name, rotation=rotation, ha="center", **NAMES)
        sheet.legend(MARGIN, top + down + legend - 18, self.legend)
        return sheet.figure

    def _draw_row(
        self, sheet: Sheet, row: Places, x: float, y: float, scale: Scale
    ) -> None:
        line = line_height(self.title_size)
        for one, left, width in zip(row, self.lefts, self.widths, strict=False):
            x += left
            if one is not None:
                axes = sheet.axes(x, y, one.width, one.height)
                draw_matrix(axes, one.panel, scale)
                sheet.tick_labels(axes, one.rows, one.columns)
                for number, text in enumerate(reversed(one.title), start=1):
                    sheet.text(x, y - number * line, text, self.title_size)
                if not self.shared:
                    axes.set_ylabel(style.QUERY_LABEL, **NAMES)
                    axes.yaxis.set_label_coords(-(one.left + 12) / one.width, 0.5)
                    axes.set_xlabel(style.KEY_LABEL, **NAMES)
                    axes.xaxis.set_label_coords(0.5, -(one.bottom + 12) / one.height)
            x += width + self.gap


def _length(count: int, cell: int, side: float) -> float:
    """Pixels along one side: whole pixels a cell, as long as that is not too long."""
    if count * cell > 1.5 * side:
        return side
    return max(count * cell, count * -(-min(SMALLEST_SIDE, side) // count))


def _most(places: Places, size: str) -> float:
    return max((getattr(one, size) for one in places if one), default=0.0)


def _smaller_than_pixels(placed: Places) -> list[str]:
    """The note on panels that have fewer pixels than weights along a side; see
    `draw_matrix`."""
    most = 1.0
    for one in filter(None, placed):
        queries, keys = one.panel.weights.shape
        most = max(most, queries / one.height, keys / one.width)
    block = ceil(most)
    note = f"each dot shows the largest of up to {block} × {block} weights"
    return [note] if most > 1 else []
