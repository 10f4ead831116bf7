"""The page on which matrices are drawn: measured in pixels first, then made.

Matplotlib's own layout engines move things until they hardly overlap; here every text is
measured before anything is placed, so nothing overlaps, nothing is clipped, and a cell
covers a whole number of pixels, which keeps the cells of a matrix equally large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from neural_dsl.visualize import style
from neural_dsl.visualize.labels import font_families
from neural_dsl.visualize.lettering import (
    AXIS_SIZE,
    NOTE_SIZE,
    Line,
    Ticks,
    line_height,
    measure,
)
from neural_dsl.visualize.matrix import Panel, hatch, outline
from neural_dsl.visualize.scale import Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# In pixels, but for the size of type.
MARGIN = 24  # around everything
TICK = 6  # tick mark and the gap to its label
BAR_WIDTH, BAR_GAP = 22, 36
BAR_SIZE = 7.5  # points
LEGEND_BOX = 22

MASKED_ENTRY = "masked: this query may not attend to this key"
PADDED_ENTRY = "padded query (left out of the metrics)"
EXPECTED_ENTRY = "expected for this task"


def legend_of(panels: Sequence[Panel]) -> dict[str, float]:
    """What of the legend these panels need, and the pixels that it takes across."""
    known = [one.expected for one in panels if one.expected is not None]
    needed = {
        MASKED_ENTRY: any(not one.allowed.all() for one in panels),
        PADDED_ENTRY: any(one.padded.any() for one in panels),
        EXPECTED_ENTRY: any(cells.any() for cells in known),
    }
    return {
        entry: LEGEND_BOX + 36 + measure(entry, NOTE_SIZE)[0]
        for entry, is_needed in needed.items()
        if is_needed
    }


def bar_width(scale: Scale) -> float:
    """The pixels that a colour bar takes across, with the gap before it."""
    return BAR_GAP + BAR_WIDTH + _labels(scale) + 40


def _labels(scale: Scale) -> float:
    return max(measure(label, BAR_SIZE)[0] for _, label in scale.ticks())


class Sheet:
    """A figure of `width` × `height` pixels, measured from its top left corner."""

    def __init__(self, width: float, height: float):
        self.width, self.height = round(width), round(height)
        size = (self.width / style.DPI, self.height / style.DPI)
        self.figure = Figure(figsize=size, dpi=style.DPI, facecolor="white")
        FigureCanvasAgg(self.figure)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        bottom = (self.height - y - height) / self.height
        size = (width / self.width, height / self.height)
        return self.figure.add_axes((x / self.width, bottom, *size))

    def place(self, x: float, y: float) -> tuple[float, float]:
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
            self.text(MARGIN, y, *line)
            y += line_height(line[1])

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

    def color_bar(self, x: float, y: float, height: float, scale: Scale) -> None:
        """The scale right of x, both ends labelled; an arrow where values go on beyond one."""
        axes = self.axes(x + BAR_GAP, y, BAR_WIDTH, height)
        colors = style.attention_colormap(scale.diverging)
        beyond: Any = ("neither", "max", "min", "both")[2 * scale.under + scale.over]
        places, labels = zip(*scale.ticks(), strict=True)
        mapped = ScalarMappable(Normalize(*scale.ends), colors)
        bar = self.figure.colorbar(
            mapped, cax=axes, ticks=places, extend=beyond, extendfrac=12 / height
        )
        axes.set_yticks(places, labels=labels, parse_math=False)
        bar.outline.set_edgecolor(style.FRAME)
        axes.tick_params(labelsize=BAR_SIZE, labelcolor=style.INK, length=2, pad=2)
        axes.tick_params(color=style.FRAME)
        bar.set_label(scale.bar_label, size=AXIS_SIZE, color=style.QUIET, va="center")
        axes.yaxis.set_label_coords((BAR_WIDTH + _labels(scale) + 26) / BAR_WIDTH, 0.5)

    def legend(self, x: float, y: float, entries: dict[str, float]) -> None:
        """Explain grey cells, outlines and the padding mark."""
        for entry, width in entries.items():
            axes = self.axes(x, y, LEGEND_BOX, LEGEND_BOX * 0.7)
            style.framed(axes)
            if entry == EXPECTED_ENTRY:
                axes.set_facecolor(style.STOPS[8])
                outline(axes, np.ones((1, 1), dtype=bool))
                axes.set(xlim=(-0.5, 0.5), ylim=(-0.5, 0.5))
            elif entry == MASKED_ENTRY:
                hatch(axes)
            else:
                axes.set_facecolor(style.PADDED)
            self.text(x + LEGEND_BOX + 8, y - 1, entry, NOTE_SIZE, style.QUIET)
            x += width
