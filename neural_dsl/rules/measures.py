"""What a network learns towards, and what each validation of its training reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Network, Setting
from neural_dsl.rules.common import listed, usual_loss
from neural_dsl.source import Span
from neural_dsl.tasks import task_spec
from neural_dsl.tasks.custom import CustomFile, custom_file

ON_REQUEST = ("accuracy", "perplexity")
"""Measures that validation has when `metrics` asks for them, where they make sense."""


@dataclass(frozen=True)
class Goal:
    """What is learnt.

    `tokens`: the targets are symbols at positions. `measure` is what validation always
    has beside the loss ("loss": nothing else); `extras` are what `metrics` adds to it,
    and `possible` all that it could add.
    """

    tokens: bool
    loss: Setting
    measure: str
    extras: tuple[str, ...]
    possible: tuple[str, ...]

    @property
    def measures(self) -> tuple[str, ...]:
        """The keys of a validation, without the number of examples."""
        return tuple(dict.fromkeys(("loss", self.measure, *self.extras)))


def custom_of(network: Network) -> CustomFile | None:
    """The user's own file, where the task is one."""
    if network.task is None or network.task.name != "Custom":
        return None
    return custom_file(network.task.params, Path(network.source.name).parent)


def loss_of(network: Network) -> Setting:
    """The loss; the one that goes with the output where the file names none."""
    usual = usual_loss(network.output_activation)
    return network.loss or Setting(usual, {}, Span(0, 0))


def goal_of(network: Network) -> Goal:
    """The goal of a network with a task."""
    assert network.task is not None
    spec = task_spec(network.task.name)
    tokens = spec.layout(network.task.params) != "free"
    loss = loss_of(network)
    classes = loss.name.endswith("crossentropy")
    measure: str = spec.measure if tokens else "accuracy" if classes else "loss"
    custom = custom_of(network)
    if custom is not None and loss.name.startswith("sparse"):
        tokens = len(network.output.shape) == 2  # a symbol at each position
        measure = custom.measure if tokens else measure
    # e^loss is a perplexity where the loss is that of one class out of many.
    possible = ON_REQUEST if classes and loss.name != "binary_crossentropy" else ()
    asked = {metric.name for metric in network.metrics}
    extras = tuple(each for each in possible if each in asked and each != measure)
    return Goal(tokens, loss, measure, extras, possible)


def check_measures(network: Network, findings: Findings) -> None:
    """Report metrics that this training does not have (NW075), and rules that watch what
    it does not measure (NE079)."""
    assert network.task is not None
    goal, task = goal_of(network), network.task.name
    loss, able = goal.loss.name, dict.fromkeys((*goal.measures, *goal.possible))
    for metric in network.metrics:
        if metric.name not in able:
            message = f"`{metric.name}` has no effect on the training"
            help = f"training on `{task}` can report {listed(tuple(able))}"
            findings.warning("NW075", message, metric.span, "not used", help)
    if network.train.get("label_smoothing") and not loss.endswith("crossentropy"):
        message = "`label_smoothing` has no effect on the training"
        help = f"it smooths the targets of classes, but the loss is `{loss}`"
        span = network.train_spans["label_smoothing"]
        findings.warning("NW075", message, span, "not used", help)
    rate = network.optimizer.params["learning_rate"] if network.optimizer else None
    for rule in (network.train.get("early_stopping"), rate, network.lr_schedule):
        if not isinstance(rule, Setting):
            continue
        monitor = rule.params.get("monitor", "loss")
        if monitor not in goal.measures:
            help = f"there are {listed(goal.measures)}"
            if monitor in goal.possible:
                help = f"ask for it, too: `metrics: [{monitor}]`"
            message = f"`{monitor}` is not measured in this training on `{task}`"
            findings.error("NE079", message, rule.span, "watches nothing", help)
