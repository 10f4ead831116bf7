"""The architecture drawing as a PNG, by Matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
from neural_dsl.visualize.figures import picture_bytes
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
    with style.settings():
        size = (drawing.width / PIXELS_PER_INCH, drawing.height / PIXELS_PER_INCH)
        figure = Figure(figsize=size, dpi=PIXELS_PER_INCH, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, drawing.width)
        axes.set_ylim(drawing.height, 0)
        for mark in (*reversed(drawing.grounds), *drawing.marks):
            _draw(axes, mark)
    return picture_bytes(figure, "png", min(SHARPNESS, TALLEST / longest))


def _draw(axes: Axes, mark: Mark) -> None:
    match mark:
        case Box():
            corners = f"round,pad=0,rounding_size={mark.radius}"
            box = FancyBboxPatch((mark.x, mark.y), mark.width, mark.height, corners)
            box.set(facecolor=mark.fill, edgecolor=mark.edge, linewidth=POINT)
            axes.add_patch(box)
        case Text():
            text = drawable(mark.text)
            look: dict[str, Any] = {"weight": "bold" if mark.bold else "normal"}
            look["ha"] = {"start": "left", "end": "right"}[mark.anchor]
            axes.text(
                mark.x,
                mark.y,
                text,
                size=mark.size * POINT,
                color=mark.color,
                family=font_families([text]),
                va="baseline",
                parse_math=False,
                zorder=1,
                **look,
            )
            if mark.badge:
                width, _ = measure(text, mark.size * POINT, bold=mark.bold)
                x, color = (
                    mark.x + width * PIXELS_PER_INCH / style.DPI + 6,
                    mark.badge_color,
                )
                _draw(axes, Text(x, mark.y, mark.badge, mark.size, color, bold=True))
        case Path():
            _line(axes, *zip(*mark.points, strict=True))
            if mark.arrow:
                (x0, y0), (x, y) = mark.points[-2:]
                # The ways are level or upright.
                length = max(abs(x - x0), abs(y - y0)) or 1.0
                dx, dy = 4 * (x - x0) / length, 4 * (y - y0) / length
                foot, to = (x - 2 * dx, y - 2 * dy), (x, y)
                sides = [(foot[0] - dy, foot[1] + dx), (foot[0] + dy, foot[1] - dx)]
                head = Polygon([to, *sides], closed=True, color=LINE)
                head.set(linewidth=0, zorder=1)
                axes.add_patch(head)
        case Sum(x=x, y=y):
            arm = SUM_RADIUS - 5
            circle = Circle((x, y), SUM_RADIUS, facecolor="white", edgecolor=LINE)
            circle.set(linewidth=LINE_WIDTH, zorder=1)
            axes.add_patch(circle)
            _line(axes, [x - arm, x + arm], [y, y])
            _line(axes, [x, x], [y - arm, y + arm])


def _line(axes: Axes, xs: Sequence[float], ys: Sequence[float]) -> None:
    axes.plot(xs, ys, color=LINE, linewidth=LINE_WIDTH, zorder=1)
