"""The page on which matrices are drawn: measured in pixels first, then made.

Matplotlib's own layout engines move things until they hardly overlap; here every text is
measured before anything is placed, so nothing overlaps, nothing is clipped, and a cell
covers a whole number of pixels, which keeps the cells of a matrix equally large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from neural_dsl.visualize import style
from neural_dsl.visualize.labels import font_families
from neural_dsl.visualize.lettering import Line, Ticks, line_height

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARGIN = 24  # around everything, in pixels
TICK = 6  # tick mark and the gap to its label, in pixels


class Sheet:
    """A figure of `width` × `height` pixels, measured from its top left corner."""

    def __init__(self, width: float, height: float):
        self.width, self.height = round(width), round(height)
        size = (self.width / style.DPI, self.height / style.DPI)
        self.figure = Figure(figsize=size, dpi=style.DPI, facecolor="white")
        FigureCanvasAgg(self.figure)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes whose frame is that rectangle."""
        bottom = (self.height - y - height) / self.height
        size = (width / self.width, height / self.height)
        return self.figure.add_axes((x / self.width, bottom, *size))

    def place(self, x: float, y: float) -> tuple[float, float]:
        """A point as Matplotlib's figures count."""
        return x / self.width, 1 - y / self.height

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        color: str = style.INK,
        bold: bool = False,
    ) -> None:
        """One line of text; (x, y) is its top left corner."""
        weight = "bold" if bold else "normal"
        look: Any = {"size": size, "color": color, "weight": weight, "va": "top"}
        family = font_families([text])
        self.figure.text(
            *self.place(x, y), text, family=family, parse_math=False, **look
        )

    def heading(self, lines: Sequence[Line]) -> None:
        """The title and the notes below it."""
        y: float = MARGIN
        for line in lines:
            self.text(MARGIN, y, line.text, line.size, line.color, line.bold)
            y += line_height(line.size)

    def tick_labels(
        self, axes: Axes, rows: Ticks | None, columns: Ticks | None
    ) -> None:
        """Label rows and columns; None leaves that side bare."""
        for axis, shown in ((axes.yaxis, rows), (axes.xaxis, columns)):
            if shown is None:
                continue
            axis.set_tick_params(length=2.0, pad=1.0, color=style.FRAME, width=0.6)
            axis.set_ticks(
                list(shown.positions),
                labels=list(shown.texts),
                fontsize=shown.size,
                color=style.INK,
                family=font_families(shown.texts),
                parse_math=False,
            )
            if shown.rotated:
                for label in axis.get_ticklabels():
                    label.set(rotation=90)
