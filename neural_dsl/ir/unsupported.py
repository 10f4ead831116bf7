"""What a file may ask of training and no script can do yet: said, never dropped (NE059)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from neural_dsl.catalogue.optimizers import OPTIMIZERS
from neural_dsl.diagnostics import Diagnostic
from neural_dsl.ir.findings import Findings
from neural_dsl.ir.nodes import Network, Setting

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
    if network.task is None:
        return ()
    return (*_optimizer(network, backend), *_mixed_precision(network, backend))


def _optimizer(network: Network, backend: str) -> Iterator[Diagnostic]:
    """An optimizer that the framework lacks."""
    optimizer = network.optimizer
    if optimizer is not None and backend not in (able := _trained_by(optimizer)):
        yield Diagnostic(
            "NE059",
            f"`{optimizer.name}` is not yet supported for training on {backend}",
            network.source,
            optimizer.span,
            "known, but no training script has it",
            f"compile for {' or '.join(able)}, or use {_optimizers_of(backend)}",
        )


def _mixed_precision(network: Network, backend: str) -> Iterator[Diagnostic]:
    """16 bits in the training alone: Keras can only build a whole model of them, and what
    is tested and drawn afterwards would be another model's numbers."""
    if backend == "tensorflow" and network.train.get("mixed_precision"):
        yield Diagnostic(
            "NE059",
            "`mixed_precision` is not yet supported for training on tensorflow",
            network.source,
            network.train_spans["mixed_precision"],
            "known, but the TensorFlow script does not have it",
            "leave it out, or compile for pytorch, which uses it on GPUs",
        )


def _trained_by(optimizer: Setting) -> tuple[str, ...]:
    spec = OPTIMIZERS.find(optimizer.name)
    assert spec is not None
    return spec.trained_by


def _optimizers_of(backend: str) -> str:
    """The optimizers that a backend trains with."""
    able = [f"`{spec.name}`" for spec in OPTIMIZERS.specs if backend in spec.trained_by]
    return f"{', '.join(able[:-1])} or {able[-1]}"


def report_unsupported(settings: Settings, findings: Findings) -> None:
    """Report a loss that no training script has yet."""
    loss, task = settings.loss, settings.task
    if loss is None or task is None or task.gives_ids or loss.name in TRAINED_LOSSES:
        return
    findings.error(
        "NE059",
        f"the loss `{loss.name}` is not yet supported for training",
        loss.span,
        label="known, but no training script has it",
        help=f"there are {', '.join(f'`{name}`' for name in TRAINED_LOSSES)}",
    )
