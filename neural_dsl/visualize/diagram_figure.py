"""The architecture drawing as a PNG, by Matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon

from neural_dsl.visualize import style
from neural_dsl.visualize.diagram_layout import (
    LINE,
    SUM_RADIUS,
    Box,
    Drawing,
    Mark,
    Path,
    Sum,
    Text,
)
from neural_dsl.visualize.figures import picture
from neural_dsl.visualize.labels import drawable, font_families
from neural_dsl.visualize.lettering import measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS_PER_INCH = 96  # CSS's
SHARPNESS = 2 * PIXELS_PER_INCH
TALLEST = 60_000  # Agg draws at most 65,535 pixels either way
POINT = 72 / PIXELS_PER_INCH
LINE_WIDTH = 1.3 * POINT


def drawing_png(drawing: Drawing) -> bytes:
    """The drawing as a PNG with twice as many dots as a screen has, less for a model so
    long that no image could hold it."""
    longest = max(drawing.width, drawing.height) / PIXELS_PER_INCH
    with matplotlib.rc_context(style.RC):
        size = (drawing.width / PIXELS_PER_INCH, drawing.height / PIXELS_PER_INCH)
        figure = Figure(figsize=size, dpi=PIXELS_PER_INCH, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, drawing.width)
        axes.set_ylim(drawing.height, 0)
        for mark in (*reversed(drawing.grounds), *drawing.marks):
            _draw(axes, mark)
    return picture(figure, "png", min(SHARPNESS, TALLEST / longest))


def _draw(axes: Axes, mark: Mark) -> None:
    match mark:
        case Box():
            corners = f"round,pad=0,rounding_size={mark.radius}"
            box = FancyBboxPatch((mark.x, mark.y), mark.width, mark.height, corners)
            box.set(facecolor=mark.fill, edgecolor=mark.edge, linewidth=POINT)
            axes.add_patch(box)
        case Text():
            text = drawable(mark.text)
            axes.text(
                mark.x,
                mark.y,
                text,
                size=mark.size * POINT,
                color=mark.color,
                weight="bold" if mark.bold else "normal",
                family=font_families([text]),
                ha={"start": "left", "end": "right"}[mark.anchor],
                va="baseline",
                parse_math=False,
                zorder=1,
            )
            if mark.badge:
                width, _ = measure(text, mark.size * POINT, bold=mark.bold)
                after = mark.x + width * PIXELS_PER_INCH / style.DPI + 6
                badge = Text(
                    after, mark.y, mark.badge, mark.size, mark.badge_color, bold=True
                )
                _draw(axes, badge)
        case Path():
            _path(axes, mark)
        case Sum():
            x, y, arm = mark.x, mark.y, SUM_RADIUS - 5
            circle = Circle((x, y), SUM_RADIUS, facecolor="white", edgecolor=LINE)
            circle.set(linewidth=LINE_WIDTH, zorder=1)
            axes.add_patch(circle)
            _line(axes, [x - arm, x + arm], [y, y])
            _line(axes, [x, x], [y - arm, y + arm])


def _line(axes: Axes, xs: Sequence[float], ys: Sequence[float]) -> None:
    axes.plot(xs, ys, color=LINE, linewidth=LINE_WIDTH, zorder=1)


def _path(axes: Axes, path: Path) -> None:
    xs, ys = zip(*path.points, strict=True)
    _line(axes, xs, ys)
    if not path.arrow:
        return
    (x0, y0), (x1, y1) = path.points[-2:]
    length = max(abs(x1 - x0), abs(y1 - y0)) or 1.0  # the ways are level or upright
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    x, y = x1 - 8 * dx, y1 - 8 * dy
    corners = [(x1, y1), (x - 4 * dy, y + 4 * dx), (x + 4 * dy, y - 4 * dx)]
    axes.add_patch(Polygon(corners, closed=True, color=LINE, linewidth=0, zorder=1))
