"""What explains a picture: the colour bar and the legend below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from neural_dsl.visualize import style
from neural_dsl.visualize.lettering import AXIS_SIZE, NOTE_SIZE, measure
from neural_dsl.visualize.matrix import Panel, hatch, outline
from neural_dsl.visualize.scale import Scale
from neural_dsl.visualize.sheet import Sheet

BAR_WIDTH, BAR_GAP = 22, 36  # pixels
TICK_SIZE = 7.5  # points
LEGEND_BOX = 22

MASKED_ENTRY = "masked: this query may not attend to this key"
PADDED_ENTRY = "padded query (left out of the metrics)"
EXPECTED_ENTRY = "expected for this task"


def legend_entries(panels: Sequence[Panel]) -> list[str]:
    """What of the legend these panels need."""
    known = [one.expected for one in panels if one.expected is not None]
    needed = {
        MASKED_ENTRY: any(not one.allowed.all() for one in panels),
        PADDED_ENTRY: any(one.padded.any() for one in panels),
        EXPECTED_ENTRY: any(cells.any() for cells in known),
    }
    return [entry for entry, is_needed in needed.items() if is_needed]


def legend_width(entries: Sequence[str]) -> float:
    """The pixels that `draw_legend` takes across."""
    return sum(LEGEND_BOX + 36 + measure(entry, NOTE_SIZE)[0] for entry in entries)


def bar_width(scale: Scale) -> float:
    """The pixels that `color_bar` takes across, with the gap before it."""
    return BAR_GAP + BAR_WIDTH + _labels(scale) + 40


def color_bar(sheet: Sheet, x: float, y: float, height: float, scale: Scale) -> None:
    """The scale, both ends labelled; an arrow where values go on beyond one."""
    axes = sheet.axes(x, y, BAR_WIDTH, height)
    colors = style.attention_colormap(scale.diverging)
    beyond: Any = ("neither", "max", "min", "both")[2 * scale.under + scale.over]
    places, labels = zip(*scale.ticks(), strict=True)
    mapped = ScalarMappable(Normalize(*scale.ends), colors)
    bar = sheet.figure.colorbar(
        mapped, cax=axes, ticks=places, extend=beyond, extendfrac=12 / height
    )
    axes.set_yticks(places, labels=labels, parse_math=False)
    bar.outline.set_edgecolor(style.FRAME)
    axes.tick_params(labelsize=TICK_SIZE, labelcolor=style.INK, length=2, pad=2)
    axes.tick_params(color=style.FRAME)
    bar.set_label(scale.bar_label, size=AXIS_SIZE, color=style.QUIET, va="center")
    axes.yaxis.set_label_coords((BAR_WIDTH + _labels(scale) + 26) / BAR_WIDTH, 0.5)


def _labels(scale: Scale) -> float:
    return max(measure(label, TICK_SIZE)[0] for _, label in scale.ticks())


def draw_legend(sheet: Sheet, x: float, y: float, entries: Sequence[str]) -> None:
    """Explain grey cells, outlines and the padding mark; see `legend_entries`."""
    for entry in entries:
        axes = sheet.axes(x, y, LEGEND_BOX, LEGEND_BOX * 0.7)
        style.framed(axes)
        if entry == EXPECTED_ENTRY:
            axes.set_facecolor(style.STOPS[8])
            outline(sheet, axes, np.ones((1, 1), dtype=bool))
            axes.set(xlim=(-0.5, 0.5), ylim=(-0.5, 0.5))
        elif entry == MASKED_ENTRY:
            hatch(axes)
        else:
            axes.set_facecolor(style.PADDED)
        sheet.text(x + LEGEND_BOX + 8, y - 1, entry, NOTE_SIZE, style.QUIET)
        x += LEGEND_BOX + 8 + measure(entry, NOTE_SIZE)[0] + 28
