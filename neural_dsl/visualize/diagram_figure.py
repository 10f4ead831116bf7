"""The architecture drawing as a Matplotlib figure, for PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from neural_dsl.visualize.labels import drawable, font_families
from neural_dsl.visualize.lettering import measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS_PER_INCH = 96  # CSS's
SHARPNESS = 2 * PIXELS_PER_INCH
TALLEST = 60_000  # Agg draws at most 65,535 pixels either way
POINT = 72 / PIXELS_PER_INCH


def drawing_figure(drawing: Drawing) -> tuple[Figure, float]:
    """The figure, and the dots per inch at which it can be saved: twice a screen's, less
    for a model so long that no image could hold it."""
    longest = max(drawing.width, drawing.height) / PIXELS_PER_INCH
    with matplotlib.rc_context(style.RC):
        size = (drawing.width / PIXELS_PER_INCH, drawing.height / PIXELS_PER_INCH)
        figure = Figure(figsize=size, dpi=PIXELS_PER_INCH, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, drawing.width)
        axes.set_ylim(drawing.height, 0)
        for box in reversed(drawing.grounds):
            _draw(axes, box)
        for mark in drawing.marks:
            _draw(axes, mark)
    return figure, min(SHARPNESS, TALLEST / longest)


def _draw(axes: Axes, mark: Mark) -> None:
    match mark:
        case Box():
            axes.add_patch(
                FancyBboxPatch(
                    (mark.x, mark.y),
                    mark.width,
                    mark.height,
                    boxstyle=f"round,pad=0,rounding_size={mark.radius}",
                    facecolor=mark.fill,
                    edgecolor=mark.edge,
                    linewidth=POINT,
                    zorder=1,
                )
            )
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
            center, arm = (mark.x, mark.y), SUM_RADIUS - 5
            line: dict[str, Any] = {
                "color": LINE,
                "linewidth": 1.3 * POINT,
                "zorder": 1,
            }
            axes.add_patch(
                Circle(
                    center,
                    SUM_RADIUS,
                    facecolor="white",
                    edgecolor=LINE,
                    linewidth=1.3 * POINT,
                    zorder=1,
                )
            )
            axes.plot([mark.x - arm, mark.x + arm], [mark.y, mark.y], **line)
            axes.plot([mark.x, mark.x], [mark.y - arm, mark.y + arm], **line)


def _path(axes: Axes, path: Path) -> None:
    xs, ys = zip(*path.points, strict=True)
    axes.plot(xs, ys, color=LINE, linewidth=1.3 * POINT, zorder=1)
    if not path.arrow:
        return
    (x0, y0), (x1, y1) = path.points[-2:]
    length = max(abs(x1 - x0), abs(y1 - y0)) or 1.0  # the ways are level or upright
    along = ((x1 - x0) / length, (y1 - y0) / length)
    across = (-along[1], along[0])
    back = (x1 - 8 * along[0], y1 - 8 * along[1])
    corners = [
        (x1, y1),
        (back[0] + 4 * across[0], back[1] + 4 * across[1]),
        (back[0] - 4 * across[0], back[1] - 4 * across[1]),
    ]
    axes.add_patch(Polygon(corners, closed=True, color=LINE, linewidth=0, zorder=1))
