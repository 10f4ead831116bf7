"""What a file may ask of training and no script can do yet: said, never dropped (NE059)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neural_dsl.catalogue.optimizers import OPTIMIZERS
from neural_dsl.diagnostics import Diagnostic
from neural_dsl.ir.findings import Findings
from neural_dsl.ir.nodes import Network, Setting
from neural_dsl.source import Span

if TYPE_CHECKING:
    from neural_dsl.ir.settings import Settings

TRAINED_LOSSES = (
    "sparse_categorical_crossentropy",
    "categorical_crossentropy",
    "binary_crossentropy",
    "mean_squared_error",
    "mean_absolute_error",
    "huber",
    "log_cosh",
)
"""The losses that `templates/*/losses.py.j2` write."""


def training_problems(network: Network, backend: str) -> tuple[Diagnostic, ...]:
    """What a network with a task asks of training that one backend's script cannot do.

    What no backend can do is an error of the file itself (`for_task`).
    """
    optimizer = network.optimizer
    if network.task is None or optimizer is None:
        return ()
    able = _trained_by(optimizer)
    if backend in able:
        return ()
    return (
        Diagnostic(
            "NE059",
            f"`{optimizer.name}` is not yet supported for training on {backend}",
            network.source,
            optimizer.span,
            "known, but no training script has it",
            f"compile for {' or '.join(able)}, or use {_optimizers_of(backend)}",
        ),
    )


def _trained_by(optimizer: Setting) -> tuple[str, ...]:
    spec = OPTIMIZERS.find(optimizer.name)
    assert spec is not None
    return spec.trained_by


def _optimizers_of(backend: str) -> str:
    """The optimizers that a backend (by default: any) trains with."""
    able = [
        f"`{spec.name}`"
        for spec in OPTIMIZERS.specs
        if (backend in spec.trained_by if backend else spec.trained_by)
    ]
    return f"{', '.join(able[:-1])} or {able[-1]}"


def report_unsupported(
    settings: Settings, train: Mapping[str, Any], findings: Findings
) -> None:
    """Report settings that no training script honours yet."""
    loss, task = settings.loss, settings.task
    known = loss is None or loss.name in TRAINED_LOSSES
    if loss is not None and not known and task is not None and not task.gives_ids:
        able = ", ".join(f"`{name}`" for name in TRAINED_LOSSES)
        _not_yet(f"the loss `{loss.name}`", loss.span, f"there are {able}", findings)
    optimizer = settings.optimizer
    if optimizer is not None:
        _check_optimizer(optimizer, findings)
    plateau = _plateau(settings)
    if plateau is not None:
        for name in ("cooldown", "min_lr"):
            if plateau.params[name]:
                _not_yet(f"`{name}`", plateau.span, "leave it out", findings)
        if train.get("early_stopping") is not None:
            _not_yet(
                "`ReduceLROnPlateau` together with early stopping",
                plateau.span,
                "use another schedule, or leave `early_stopping` out",
                findings,
            )
    if (train.get("gradient_accumulation_steps") or 1) > 1:
        spans = settings.spans.get("train", {})
        for name in ("scheduled_sampling", "mixed_precision"):
            if train.get(name) and name in spans:
                _not_yet(
                    f"`{name}` together with `gradient_accumulation_steps`",
                    spans[name],
                    "leave one of the two out",
                    findings,
                )


def _check_optimizer(optimizer: Setting, findings: Findings) -> None:
    if not _trained_by(optimizer):
        known = f"use {_optimizers_of('')}"
        _not_yet(f"`{optimizer.name}`", optimizer.span, known, findings)
    for name in ("clipnorm", "clipvalue"):
        if optimizer.params.get(name) is not None:
            together = "clip all gradients together: `train { gradient_clip: 1.0 }`"
            _not_yet(f"`{name}`", optimizer.span, together, findings)


def _plateau(settings: Settings) -> Setting | None:
    """The schedule that waits for validation to stand still, if that is the schedule."""
    optimizer = settings.optimizer
    rate = optimizer.params.get("learning_rate") if optimizer else None
    for each in (rate, settings.lr_schedule):
        if isinstance(each, Setting) and each.name == "ReduceLROnPlateau":
            return each
    return None


def _not_yet(what: str, span: Span, help: str, findings: Findings) -> None:
    findings.error(
        "NE059",
        f"{what} is not yet supported for training",
        span,
        label="known, but no training script has it",
        help=help,
    )
