"""How a training went: loss, the task's measure and the learning rate over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from neural_dsl.visualize import style
from neural_dsl.visualize.figures import picture_bytes
from neural_dsl.visualize.labels import drawable
from neural_dsl.visualize.lettering import wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAINING, SMOOTHED, VALIDATION = "#b5ddf2", "#2c639a", "#d08a2e"
# What the validation measures between 0 and 1, the task's own first.
SHARES = ("validation_exact_match", "validation_accuracy")
WINDOW = 50  # the smoothed curve averages about a fiftieth of all steps
LABEL: dict[str, Any] = {"color": style.INK, "fontsize": 9}
WIDTH = 8  # inches
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": 8, "labelcolor": style.INK}


def loss_curves(lines: Sequence[dict[str, Any]], about: str) -> Figure:
    """The figure for the lines of a run's `metrics.jsonl`; `about` names the run.

    Losses stand on a logarithmic axis. Each validation is a dot; measures that are
    shares of problems run from 0 to 100%.
    """
    from matplotlib.figure import Figure

    shares = [name for name in SHARES if column(lines, name)[0]]
    with style.settings():
        size = (WIDTH, 6.0 if shares else 4.6)
        figure = Figure(figsize=size, layout="constrained")
        heights = [3, 2, 1.4] if shares else [3, 1.4]
        ratios = {"height_ratios": heights}
        axes = figure.subplots(len(heights), 1, sharex=True, gridspec_kw=ratios)
        _losses(axes[0], lines)
        if shares:
            _measures(axes[1], lines, shares)
        rates = column(lines, "learning_rate")
        axes[-1].plot(*rates, color=style.QUIET, linewidth=1.2)
        axes[-1].set_ylabel("learning rate", **LABEL)
        axes[-1].set_ylim(bottom=0)
        axes[-1].set_xlabel("step", **LABEL)
        for axis in axes:
            style.bare(axis)
        figure.align_ylabels(axes)
        title = "\n".join(wrap(drawable(about), 11, 0.95 * WIDTH * style.DPI))
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=style.INK)
    return figure


def loss_curves_png(lines: Sequence[dict[str, Any]], about: str) -> bytes:
    return picture_bytes(loss_curves(lines, about), "png")


def _losses(axis: Axes, lines: Sequence[dict[str, Any]]) -> None:
    steps, losses = column(lines, "loss")
    half = len(losses) // WINDOW // 2
    # So few steps need no average: their own line is what is read.
    alone = len(losses) // WINDOW <= 1
    colour = SMOOTHED if alone else TRAINING
    axis.plot(steps, losses, color=colour, lw=0.8, label="training, each step")
    if not alone:
        parts = [losses[max(0, i - half) : i + half + 1] for i in range(len(losses))]
        smooth = [sum(part) / len(part) for part in parts]
        axis.plot(steps, smooth, color=SMOOTHED, lw=1.4, label="training, average")
    steps, validated = column(lines, "validation_loss")
    axis.plot(steps, validated, "o-", color=VALIDATION, ms=3, lw=1, label="validation")
    if all(loss > 0 for loss in (*validated, *losses)):
        style.logarithmic(axis)
    axis.set_ylabel("loss", **LABEL)
    axis.legend(**LEGEND)


def _measures(
    axis: Axes, lines: Sequence[dict[str, Any]], shares: Sequence[str]
) -> None:
    words = [name.removeprefix("validation_").replace("_", " ") for name in shares]
    look: dict[str, Any] = {"color": VALIDATION, "ms": 3, "lw": 1}
    for name, label, marks in zip(shares, words, ("o-", "s--"), strict=False):
        axis.plot(*column(lines, name), marks, label=label, **look)
    steps, values = column(lines, shares[0])
    best = f"best {max(values):.1%} at step {steps[values.index(max(values))]:,}"
    axis.set_title(best, loc="right", fontsize=8, color=style.QUIET)
    several = len(words) > 1
    axis.set_ylabel("share" if several else words[0], **LABEL)
    if several:
        axis.legend(**LEGEND)
    axis.set_ylim(-0.03, 1.05)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def column(lines: Sequence[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    """The steps at which something was measured, and what was."""
    found = [(line["step"], line[name]) for line in lines if name in line]
    return [step for step, _ in found], [value for _, value in found]
