"""What a file without a task says of its training, and `fit` cannot do (NW075).

Loss, optimizer, schedule and `train` become the emitted file's `fit`, which takes batches
of the reader's own: whatever needs examples held out, a task's answers or what stands
around a training has nothing to act on there.
"""

from __future__ import annotations

from collections.abc import Iterator

from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.settings import Settings
from neural_dsl.rules.common import (
    TRAINED_LOSSES,
    check_together,
    plateau_of,
    usual_loss,
)
from neural_dsl.source import Span

HELD_OUT = "`fit` trains on batches of your own and holds none out"
AROUND = "`neural train` does this, for a file with a `task`"
UNUSED = {
    "train": {
        "steps_per_epoch": "an epoch is one pass over your batches",
        "validate_every": HELD_OUT,
        "validation_steps": HELD_OUT,
        "early_stopping": HELD_OUT,
        "scheduled_sampling": "only a `task` says which inputs are answers",
        "checkpoint_every": AROUND,
        "attention_snapshots": AROUND,
        "save_best": AROUND,
        "num_workers": "you make the batches",
        "verbose": "`fit` gives you the losses and prints nothing",
        "search_method": "nothing searches in this version",
        "max_trials": "nothing searches in this version",
    },
    "execution": {
        "device": "`fit` trains where you put the model and the batches",
        "precision": "`train { mixed_precision: true }` makes `fit` use both kinds of numbers",
        "mixed_precision": "`fit` reads it in `train`",
        "seed": "`fit` reads it in `train`",
        "num_workers": "you make the batches",
    },
}
"""Block -> key -> why it has no effect."""


def check_without_task(settings: Settings, activation: str, findings: Findings) -> None:
    """Report what has no effect, as warnings: such files are drawn and run as well.
    `activation` is that of the output, with which a loss goes where none is named."""
    for what, span, help in _unused(settings, activation):
        message = f"{what} has no effect without a task"
        findings.warning("NW075", message, span, "not used", help)
    check_together(settings, findings)


def _unused(settings: Settings, activation: str) -> Iterator[tuple[str, Span, str]]:
    """What has no effect, where it stands, and why."""
    for block, reasons in UNUSED.items():
        for key, span in settings.spans.get(block, {}).items():
            if key in reasons:
                yield f"`{key}`", span, reasons[key]
    train, spans = settings.train, settings.spans.get("train", {})
    for spec in BACKENDS.values():
        lacking = dict(spec.train_lacking)
        if not spec.holds_out:
            lacking["validation_split"] = HELD_OUT
        for key in filter(train.get, lacking):
            yield f"`{key}` for {spec.name}", spans[key], lacking[key]
    loss, optimizer = settings.loss, settings.optimizer
    learnt = usual_loss(activation) if loss is None else loss.name
    of_classes = learnt.endswith("crossentropy")
    if train.get("label_smoothing") and not of_classes:
        help = f"it smooths the targets of classes, but the loss is `{learnt}`"
        yield "`label_smoothing`", spans["label_smoothing"], help
    for metric in settings.metrics:
        help = f"`fit` has the `accuracy` of classes, but the loss is `{learnt}`"
        if metric.name != "accuracy":
            help = "`fit` has losses and the `accuracy` of classes; measure the rest yourself"
        if metric.name != "accuracy" or not of_classes:
            yield f"`{metric.name}`", metric.span, help
    plateau = plateau_of(optimizer, settings.lr_schedule)
    if plateau is not None:
        yield f"`{plateau.name}`", plateau.span, HELD_OUT
    if loss is not None and loss.name not in TRAINED_LOSSES:
        able = ", ".join(f"`{name}`" for name in TRAINED_LOSSES)
        yield f"the loss `{loss.name}`", loss.span, f"`fit` has {able}"
    if optimizer is not None:
        name, specs = optimizer.name, BACKENDS.values()
        without = [spec.name for spec in specs if name in spec.optimizers_lacking]
        if without:
            what = f"`{name}` for {' and '.join(without)}"
            yield what, optimizer.span, "the file for it has no `fit`"
