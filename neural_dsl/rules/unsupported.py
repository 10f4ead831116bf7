"""What a file may ask of training and no script can do yet: said, never dropped (NE059)."""

from __future__ import annotations

from collections.abc import Iterator

from neural_dsl.catalogue.backends import BACKENDS, BackendSpec
from neural_dsl.catalogue.optimizers import OPTIMIZERS
from neural_dsl.diagnostics import Diagnostic
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Network
from neural_dsl.graph.settings import Settings
from neural_dsl.source import Span

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


def usual_loss(activation: str) -> str:
    """The loss that goes with what an Output shows, where the file names none."""
    usual = {
        "softmax": "sparse_categorical_crossentropy",
        "sigmoid": "binary_crossentropy",
    }
    return usual.get(activation, "mean_squared_error")


def training_problems(network: Network, backend: str) -> tuple[Diagnostic, ...]:
    """What a network with a task asks of training that one backend's script cannot do.

    What no backend can do is an error of the file itself (`for_task`).
    """
    if network.task is None:
        return ()
    return tuple(_problems(network, BACKENDS[backend]))


def _problems(network: Network, spec: BackendSpec) -> Iterator[Diagnostic]:
    """The optimizer, and the keys of `train`, that the framework lacks."""
    source, where = network.source, f"is not yet supported for training on {spec.name}"
    given, lacking = network.optimizer, spec.optimizers_lacking
    if given is not None and given.name in lacking:
        specs = BACKENDS.values()
        there = [
            each.name for each in specs if given.name not in each.optimizers_lacking
        ]
        *able, last = (f"`{o.name}`" for o in OPTIMIZERS.specs if o.name not in lacking)
        label = "known, but no training script has it"
        help = f"compile for {' or '.join(there)}, or use {', '.join(able)} or {last}"
        message = f"`{given.name}` {where}"
        yield Diagnostic("NE059", message, source, given.span, label, help)
    for key, help in spec.train_lacking.items():
        if network.train.get(key):
            span, message = network.train_spans[key], f"`{key}` {where}"
            label = f"known, but the {spec.title} script does not have it"
            yield Diagnostic("NE059", message, source, span, label, help)


def report_unsupported(settings: Settings, findings: Findings) -> None:
    """Report what no training script has yet: some losses and devices, and numbers of
    16 bits that could overflow."""

    def report(what: str, span: Span, help: str) -> None:
        message = f"{what} is not yet supported for training"
        label = "known, but no training script has it"
        findings.error("NE059", message, span, label, help)

    loss, task = settings.loss, settings.task
    free = task is not None and not task.gives_ids
    if loss is not None and free and loss.name not in TRAINED_LOSSES:
        able = ", ".join(f"`{name}`" for name in TRAINED_LOSSES)
        report(f"the loss `{loss.name}`", loss.span, f"there are {able}")
    device = settings.execution.get("device")
    if device in ("mps", "tpu"):
        span = settings.spans["execution"]["device"]
        report(f"`device: {device}`", span, "there are `auto`, `cpu` and `cuda`")
    if settings.execution.get("precision") == "float16":
        span = settings.spans["execution"]["precision"]
        instead = 'write `precision: "mixed"`: bfloat16 where it is safe, else float32'
        report("`precision: float16`", span, instead)
