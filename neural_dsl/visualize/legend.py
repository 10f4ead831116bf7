"""What explains a picture: the colour bar and the legend below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from neural_dsl.visualize import style
from neural_dsl.visualize.lettering import AXIS_SIZE, NOTE_SIZE, measure
from neural_dsl.visualize.matrix import Matrix, hatch, outline
from neural_dsl.visualize.scale import Scale
from neural_dsl.visualize.sheet import Sheet

BAR_WIDTH, BAR_GAP = 22, 36  # pixels
TICK_SIZE = 7.5  # points
LEGEND_BOX = 22

MASKED_ENTRY = "masked: this query may not attend to this key"
PADDED_ENTRY = "padded query (left out of the metrics)"
EXPECTED_ENTRY = "expected for this task"


def legend_entries(matrices: Sequence[Matrix]) -> list[str]:
    """What of the legend these matrices need."""
    entries = []
    if any(not matrix.allowed.all() for matrix in matrices):
        entries.append(MASKED_ENTRY)
    if any(matrix.padded.any() for matrix in matrices):
        entries.append(PADDED_ENTRY)
    if any(
        matrix.expected is not None and matrix.expected.any() for matrix in matrices
    ):
        entries.append(EXPECTED_ENTRY)
    return entries


def legend_width(entries: Sequence[str]) -> float:
    """The pixels that `Sheet.legend` takes across."""
    return sum(LEGEND_BOX + 36 + measure(entry, NOTE_SIZE)[0] for entry in entries)


def bar_width(scale: Scale) -> float:
    """The pixels that `color_bar` takes across, with the gap before it."""
    return BAR_GAP + BAR_WIDTH + _labels(scale) + 40


def color_bar(sheet: Sheet, x: float, y: float, height: float, scale: Scale) -> None:
    """The scale, both ends labelled; an arrow where values go on beyond one."""
    axes = sheet.axes(x, y, BAR_WIDTH, height)
    colors = style.attention_colormap(scale.diverging)
    beyond: dict[tuple[bool, bool], Literal["neither", "min", "max", "both"]] = {
        (False, False): "neither",
        (True, False): "min",
        (False, True): "max",
        (True, True): "both",
    }
    bar = sheet.figure.colorbar(
        ScalarMappable(Normalize(*scale.ends), colors),
        cax=axes,
        ticks=[place for place, _ in scale.ticks()],
        extend=beyond[scale.under, scale.over],
        extendfrac=12 / height,
    )
    axes.set_yticks(
        [place for place, _ in scale.ticks()],
        labels=[label for _, label in scale.ticks()],
        parse_math=False,
    )
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
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_edgecolor(style.FRAME)
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
