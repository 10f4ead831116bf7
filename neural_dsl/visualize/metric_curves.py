"""Loss, exact match and what heads did, over the steps of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neural_dsl.attention.expected import expected_mass
from neural_dsl.attention.metrics import METRICS
from neural_dsl.visualize import style
from neural_dsl.visualize.labels import drawable
from neural_dsl.visualize.lettering import NOTE_SIZE, line_height, wrap
from neural_dsl.visualize.loss_curves import column
from neural_dsl.visualize.pictures import picture
from neural_dsl.visualize.views import EXPECTED, Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 9  # inches, of which the panels and what is above them have most
MOST_NAMED = 16  # lines that get a name each; beyond, a layer has one colour
COLORS = ("#2c639a", "#d08a2e", "#4d9a5b", "#b0413e", "#7a5aa6", "#5f6675")


@picture("evolution_metrics.{form}")
def metrics_figure(training: Training) -> Figure:
    """Loss, exact match and metrics of every head over the steps.

    The steps stand on a logarithmic axis that begins with 0; what a metric says of a head
    is its mean over the batch.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    first, last = training.moments[0].record, training.moments[-1]
    known = any(one.expected is not None for one in first)
    shown = [EXPECTED] * known + [
        name
        for name, metric in METRICS.items()
        if metric.curve
        and any(not np.isnan(one.values()[name]).all() for one in last.record)
    ]
    names = ("loss", "validation_exact_match")
    measured = [name for name in names if column(training.lines, name)[0]]
    with style.settings():
        rows = len(measured) + len(shown)
        origin = wrap(drawable(training.origin), NOTE_SIZE, 0.9 * WIDTH * style.DPI)
        above = len(origin) * line_height(NOTE_SIZE) / style.DPI  # inches
        size = (WIDTH, 1.1 + above + 1.75 * rows)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        for axes, name in zip(grid, [*measured, *shown], strict=True):
            (_draw_measured if name in names else _draw_metric)(axes, training, name)
            axes.set_xscale("symlog", linthresh=1, linscale=0.3)
            axes.xaxis.set_minor_locator(NullLocator())
            style.bare(axes)
        end = max(last.step, 1)
        ticks = [0, *(10**e for e in range(9) if 10**e <= end / 1.6), end]
        grid[-1].set_xticks(ticks, labels=[f"{tick:,}" for tick in ticks])
        grid[-1].set_xlim(0, end)
        grid[-1].set_xlabel("step", color=style.INK, fontsize=9)
        figure.align_ylabels(grid)
        handles = grid[len(measured)].get_legend_handles_labels()
        look: dict[str, Any] = {"frameon": False, "labelcolor": style.INK}
        figure.legend(*handles, loc="outside lower left", ncols=2, fontsize=7, **look)
        title = "Attention metrics as training went on"
        look = {"loc": "left", "weight": "bold", "color": style.INK}
        grid[0].set_title(title, pad=12 + 72 * above, fontsize=11, **look)
        look = {"xycoords": "axes fraction", "textcoords": "offset points"}
        look |= {"fontsize": NOTE_SIZE, "color": style.QUIET, "linespacing": 1.35}
        grid[0].annotate("\n".join(origin), (0, 1), (0, 8), **look)
    return figure


def _draw_measured(axes: Axes, training: Training, name: str) -> None:
    marker = "o-" if name.startswith("validation") else "-"
    x, y = column(training.lines, name)
    axes.plot(x, y, marker, color=style.INK, linewidth=1.2, ms=3, clip_on=False)
    axes.set_ylabel(name.removeprefix("validation_").replace("_", " "), fontsize=8)
    if name == "loss" and min(y) > 0:
        style.logarithmic(axes)
    else:
        _limit(axes, is_share=name != "loss")


def _draw_metric(axes: Axes, training: Training, name: str) -> None:
    x = [moment.step for moment in training.moments]
    first = training.moments[0].record
    named = sum(one.num_heads for one in first) <= MOST_NAMED
    thin: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.6}
    marked = {"linewidth": 1.3, "marker": "o"}  # where it was measured
    for index, layer in enumerate(one.name for one in first):
        seen = [each.record[layer] for each in training.moments]
        every = [
            expected_mass(one) if name == EXPECTED else one.values()[name]
            for one in seen
        ]
        for head, values in enumerate(np.transpose(every)):
            label = f"{layer}, head {head}" if named else layer if head == 0 else None
            axes.plot(
                x,
                values,
                color=COLORS[index % len(COLORS)],
                linestyle=("-", "--", ":", "-.")[head % 4] if named else "-",
                markersize=2.5,
                clip_on=False,
                label=label,
                **(marked if named else thin),
            )
    title, unit = EXPECTED, ""
    if name != EXPECTED:
        title, unit = METRICS[name].title, METRICS[name].unit
    axes.set_ylabel(f"{title} ({unit})" if unit else title, fontsize=8, wrap=True)
    _limit(axes, is_share=not unit)


def _limit(axes: Axes, is_share: bool) -> None:
    """From 0 to 1 for shares. What is none, or is more than all there is, has limits of
    its own, from 0 unless it falls below."""
    low, high = axes.dataLim.intervaly
    if is_share and low >= -0.03 and high <= 1.05:
        axes.set_ylim(-0.03, 1.05)
    elif low >= 0:
        axes.set_ylim(bottom=0)
