"""What holds of a training with a task and without one."""

from __future__ import annotations

from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.catalogue.optimizers import OPTIMIZERS
from neural_dsl.diagnostics import Diagnostic, Related
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Network, Setting
from neural_dsl.graph.settings import Settings

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
DEFAULT_RATE = 0.002
"""The learning rate where the file names no optimizer."""
CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")


def usual_loss(activation: str) -> str:
    """The loss that goes with what an Output shows, where the file names none."""
    if activation == "softmax":
        return "sparse_categorical_crossentropy"
    return "binary_crossentropy" if activation == "sigmoid" else "mean_squared_error"


def listed(names: tuple[str, ...], word: str = "and") -> str:
    """`a`, `b` and `c`."""
    *first, last = (f"`{name}`" for name in names)
    return f"{', '.join(first)} {word} {last}" if first else last


def training_problems(network: Network, backend: str) -> list[Diagnostic]:
    """What a network with a task asks of training that one backend's script cannot do:
    its optimizer, and keys of `train` (NE059). What no backend can do is an error of the
    file itself (`TrainingCheck`)."""
    found = list[Diagnostic]()
    if network.task is None:
        return found
    spec, given, source = BACKENDS[backend], network.optimizer, network.source
    where = f"is not yet supported for training on {spec.name}"
    if given is not None and given.name in spec.optimizers_lacking:
        specs, lacking = BACKENDS.values(), spec.optimizers_lacking
        there = [b.name for b in specs if given.name not in b.optimizers_lacking]
        able = tuple(o.name for o in OPTIMIZERS.specs if o.name not in lacking)
        label = "known, but no training script has it"
        help = f"compile for {' or '.join(there)}, or use {listed(able, 'or')}"
        message = f"`{given.name}` {where}"
        found.append(Diagnostic("NE059", message, source, given.span, label, help))
    for key, help in spec.train_lacking.items():
        if network.train.get(key):
            span, message = network.train_spans[key], f"`{key}` {where}"
            label = f"known, but the {spec.title} script does not have it"
            found.append(Diagnostic("NE059", message, source, span, label, help))
    return found


def check_together(settings: Settings, findings: Findings) -> None:
    """Report settings that exclude each other, or do nothing together (NE074)."""
    train, spans = settings.train, settings.spans.get("train", {})
    optimizer = settings.optimizer
    if "steps" in train and "epochs" in train:
        first = (Related(spans["epochs"], "first said here"),)
        message = "`steps` and `epochs` both say how long training lasts"
        label, help = "the same thing again", "keep one of the two"
        findings.error("NE074", message, spans["steps"], label, help, first)
    if optimizer is not None:  # one way to clip is enough; Keras too takes one alone
        given = [name for name in CLIPS if optimizer.params.get(name) is not None]
        related: tuple[Related, ...] = ()
        if train.get("gradient_clip"):
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
        message = f"the learning rate starts at {start:g} and never falls below {floor:g}, so nothing can be reduced"
        help = f"write a `min_lr` below {start:g}, or leave it out"
        findings.error("NE074", message, plateau.span, "`min_lr` is too large", help)


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
