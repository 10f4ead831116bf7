"""How a training went: loss, the task's measure and the learning rate over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from neural_dsl.visualize import style
from neural_dsl.visualize.figures import picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAINING, SMOOTHED, VALIDATION = "#b5ddf2", "#2c639a", "#d08a2e"
SHARES = ("exact_match", "accuracy")  # measures between 0 and 1
WINDOW = 50  # the smoothed curve averages about a fiftieth of all steps


def loss_curves(lines: Sequence[dict[str, Any]], about: str) -> Figure:
    """The figure for the lines of a run's `metrics.jsonl`; `about` names the run.

    Losses stand on a logarithmic axis. Each validation is a dot; measures that are
    shares of problems run from 0 to 100%.
    """
    import matplotlib
    from matplotlib.figure import Figure

    shares = _shares(lines)
    with matplotlib.rc_context(style.RC):
        figure = Figure(figsize=(8, 6.0 if shares else 4.6), layout="constrained")
        heights = [3, 2, 1.4] if shares else [3, 1.4]
        axes = figure.subplots(
            len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights}
        )
        _losses(axes[0], lines)
        if shares:
            _measures(axes[1], lines, shares)
        rates = column(lines, "learning_rate")
        axes[-1].plot(*rates, color=style.QUIET, linewidth=1.2)
        axes[-1].set_ylabel("learning rate", color=style.INK, fontsize=9)
        axes[-1].set_ylim(bottom=0)
        axes[-1].set_xlabel("step", color=style.INK, fontsize=9)
        for axis in axes:
            style.bare(axis)
        figure.align_ylabels(axes)
        figure.suptitle(about, x=0.01, ha="left", fontsize=11, color=style.INK)
    return figure


def loss_curves_png(lines: Sequence[dict[str, Any]], about: str) -> bytes:
    """The same as the bytes of a PNG."""
    return picture(loss_curves(lines, about), "png")


def _losses(axis: Axes, lines: Sequence[dict[str, Any]]) -> None:
    steps, losses = column(lines, "loss")
    width = len(losses) // WINDOW
    alone = width <= 1  # so few steps need no average: their own line is what is read
    colour = SMOOTHED if alone else TRAINING
    axis.plot(steps, losses, color=colour, lw=0.8, label="training, each step")
    if not alone:
        smooth = _smoothed(losses, width)
        axis.plot(steps, smooth, color=SMOOTHED, lw=1.4, label="training, average")
    steps, losses = column(lines, "validation_loss")
    axis.plot(steps, losses, "o-", color=VALIDATION, ms=3, lw=1, label="validation")
    if all(loss > 0 for loss in [*losses, *column(lines, "loss")[1]]):
        style.logarithmic(axis)
    axis.set_ylabel("loss", color=style.INK, fontsize=9)
    axis.legend(frameon=False, fontsize=8, labelcolor=style.INK)


def _measures(
    axis: Axes, lines: Sequence[dict[str, Any]], shares: Sequence[str]
) -> None:
    words = [name.removeprefix("validation_").replace("_", " ") for name in shares]
    look: dict[str, Any] = {"color": VALIDATION, "ms": 3, "lw": 1}
    for name, label, marks in zip(shares, words, ("o-", "s--"), strict=False):
        steps, values = column(lines, name)
        axis.plot(steps, values, marks, label=label, **look)
        if values and name == shares[0]:
            best = max(values)
            note = f"best {best:.1%} at step {steps[values.index(best)]:,}"
            axis.set_title(note, loc="right", fontsize=8, color=style.QUIET)
    several = len(words) > 1
    axis.set_ylabel("share" if several else words[0], color=style.INK, fontsize=9)
    if several:
        axis.legend(frameon=False, fontsize=8, labelcolor=style.INK)
    axis.set_ylim(-0.03, 1.05)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def _shares(lines: Sequence[dict[str, Any]]) -> list[str]:
    """The validation's measures that are shares, the task's own first."""
    names = {name for line in lines for name in line}
    return [f"validation_{n}" for n in SHARES if f"validation_{n}" in names]


def column(lines: Sequence[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    """The steps at which something was measured, and what was."""
    found = [(line["step"], line[name]) for line in lines if name in line]
    return [step for step, _ in found], [value for _, value in found]


def _smoothed(values: Sequence[float], width: int) -> list[float]:
    """The mean of each value and those within `width` / 2 of it."""
    half = width // 2
    parts = (values[max(0, i - half) : i + half + 1] for i in range(len(values)))
    return [sum(part) / len(part) for part in parts]
