"""Loss, exact match and what heads did, over the steps of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_dsl.attention.expected import expected_mass
from neural_dsl.attention.metrics import METRICS
from neural_dsl.attention.record import LayerAttention
from neural_dsl.visualize import style
from neural_dsl.visualize.loss_curves import column
from neural_dsl.visualize.moments import EXPECTED, Moment, origin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_METRICS = ("normalized_entropy", "previous_token", "first_token")
MOST_NAMED = 16  # lines that get a name each; beyond, a layer has one colour
COLORS = ("#2c639a", "#d08a2e", "#4d9a5b", "#b0413e", "#7a5aa6", "#5f6675")


def metrics_figure(
    moments: Sequence[Moment], lines: Sequence[dict[str, Any]], run: str
) -> Figure:
    """Loss, exact match and metrics of every head over the steps.

    `lines` are those of the run's `metrics.jsonl`. The steps stand on a logarithmic
    axis that begins with 0; what a metric says of a head is its mean over the batch.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    shown = metric_names(moments)
    measured = [
        name for name in ("loss", "validation_exact_match") if column(lines, name)[0]
    ]
    with matplotlib.rc_context(style.RC):
        rows = len(measured) + len(shown)
        figure = Figure(figsize=(9, 1.2 + 1.75 * rows), layout="constrained")
        grid = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        for axes, name in zip(grid, measured, strict=False):
            draw_measured(axes, lines, name)
        for axes, name in zip(grid[len(measured) :], shown, strict=True):
            draw_metric(axes, moments, name)
        for axes in grid:
            axes.set_xscale("symlog", linthresh=1, linscale=0.3)
            axes.xaxis.set_minor_locator(NullLocator())
            style.bare(axes)
        last = max(moments[-1].step, 1)
        ticks = [0, *(10**e for e in range(9) if 10**e <= last / 1.6), last]
        grid[-1].set_xticks(ticks, labels=[f"{tick:,}" for tick in ticks])
        grid[-1].set_xlim(0, last)
        grid[-1].set_xlabel("step", color=style.INK, fontsize=9)
        figure.align_ylabels(grid)
        figure.legend(
            *grid[len(measured)].get_legend_handles_labels(),
            loc="outside lower left",
            ncols=2,
            fontsize=7,
            frameon=False,
            labelcolor=style.INK,
        )
        grid[0].set_title(
            "Attention metrics as training went on",
            loc="left",
            pad=20,
            fontsize=11,
            weight="bold",
            color=style.INK,
        )
        grid[0].annotate(
            origin(moments, run),
            (0, 1),
            (0, 8),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=7.5,
            color=style.QUIET,
        )
    return figure


def draw_measured(axes: Axes, lines: Sequence[dict[str, Any]], name: str) -> None:
    """A line of `metrics.jsonl`."""
    marker = "o-" if name.startswith("validation") else "-"
    x, y = column(lines, name)
    axes.plot(x, y, marker, color=style.INK, linewidth=1.2, ms=3, clip_on=False)
    axes.set_ylabel(name.removeprefix("validation_").replace("_", " "), fontsize=8)
    if name == "loss" and min(y) > 0:
        style.logarithmic(axes)
    else:
        axes.set_ylim(-0.03, 1.05)


def draw_metric(axes: Axes, moments: Sequence[Moment], name: str) -> None:
    """One metric of every head."""
    x = [moment.step for moment in moments]
    layers = [one.name for one in moments[0].record]
    named = sum(one.num_heads for one in moments[0].record) <= MOST_NAMED
    for index, layer in enumerate(layers):
        values = np.array([metric_of(m.record[layer], name) for m in moments])
        for head in range(values.shape[1]):
            label = f"{layer}, head {head}" if named else layer if head == 0 else None
            axes.plot(
                x,
                values[:, head],
                color=COLORS[index % len(COLORS)],
                linestyle=("-", "--", ":", "-.")[head % 4] if named else "-",
                linewidth=1.3 if named else 0.7,
                marker="o" if named else None,  # where it was measured
                markersize=2.5,
                clip_on=False,
                alpha=1.0 if named else 0.6,
                label=label,
            )
    title = EXPECTED if name == EXPECTED else METRICS[name].title
    axes.set_ylabel(title, fontsize=8, wrap=True)
    axes.set_ylim(-0.03, 1.05)


def metric_names(moments: Sequence[Moment]) -> list[str]:
    """The metrics that have values; the expected mass first, where it is known."""
    first, last = moments[0].record, moments[-1].record
    known = any(one.expected is not None for one in first)
    defined = [
        name
        for name in SHOWN_METRICS
        if any(not np.isnan(one.values()[name]).all() for one in last)
    ]
    return [EXPECTED] * known + defined


def metric_of(layer: LayerAttention, name: str) -> Any:
    """A metric of every head, (heads,)."""
    return expected_mass(layer) if name == EXPECTED else layer.values()[name]
