"""Settings of a training that exclude each other, or do nothing together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neural_dsl.diagnostics import Related
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Setting
from neural_dsl.graph.settings import Settings

DEFAULT_RATE = 0.002
"""The learning rate where the file names no optimizer."""
CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")


def check_together(
    settings: Settings, train: Mapping[str, Any], findings: Findings
) -> None:
    """Report ways to clip gradients that exclude each other, and a learning rate whose
    floor lies above it."""
    optimizer, spans = settings.optimizer, settings.spans.get("train", {})
    if optimizer is not None:  # one way to clip is enough; Keras too takes one alone
        given = [name for name in CLIPS if optimizer.params.get(name) is not None]
        related: tuple[Related, ...] = ()
        if train.get("gradient_clip") and "gradient_clip" in spans:
            given.append("gradient_clip")
            related = (Related(spans["gradient_clip"], "clipped here too"),)
        if len(given) > 1:
            message = f"`{given[0]}` and `{given[1]}` both clip the gradients"
            label, help = "one of them is enough", "keep one of them"
            findings.error("NE074", message, optimizer.span, label, help, related)
    plateau = plateau_of(optimizer, settings.lr_schedule)
    if plateau is None:
        return
    start, floor = first_rate(optimizer, plateau), plateau.params["min_lr"]
    if floor >= start:
        message = (
            f"the learning rate starts at {start:g} and never falls below {floor:g}, so "
            "nothing can be reduced"
        )
        help = f"write a `min_lr` below {start:g}, or leave it out"
        label = "`min_lr` is too large"
        findings.error("NE074", message, plateau.span, label, help)


def plateau_of(optimizer: Setting | None, schedule: Setting | None) -> Setting | None:
    """The schedule that waits for validation to stand still, if that is the schedule."""
    rate = optimizer.params.get("learning_rate") if optimizer else None
    for each in (rate, schedule):
        if isinstance(each, Setting) and each.name == "ReduceLROnPlateau":
            return each
    return None


def first_rate(optimizer: Setting | None, schedule: Setting | None) -> float:
    """The learning rate that a schedule starts from: its own, else the optimizer's."""
    rate = optimizer.params["learning_rate"] if optimizer else DEFAULT_RATE
    own = schedule.params.get("initial_learning_rate") if schedule else None
    if own is None and not isinstance(rate, Setting):
        own = rate
    return float(own if own is not None else 0.001)
