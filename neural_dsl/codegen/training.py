"""What the emitted file is told of its training: every setting resolved to a number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.catalogue.optimizers import CLIPPING, OPTIMIZERS
from neural_dsl.catalogue.tasks import task_spec
from neural_dsl.codegen.environment import literal
from neural_dsl.graph.nodes import Network, Setting
from neural_dsl.rules.measures import Goal, goal_of, loss_of
from neural_dsl.rules.muon import matrix_ends
from neural_dsl.rules.together import DEFAULT_RATE, first_rate, plateau_of
from neural_dsl.rules.unsupported import TRAINED_LOSSES
from neural_dsl.source import Span

_NOWHERE = Span(0, 0)
DEFAULT_BATCH_SIZE = 64
DEFAULT_EPOCHS = 10
WARMUP_STEPS = 50
UNKNOWN_EPOCH = 200
"""Steps between two validations of a task whose size is not known here."""


def training_plan(network: Network, paths: Mapping[str, str]) -> SimpleNamespace:
    """The values that `training.py.j2` asks for. `paths` says where the layers live.

    Where the file is silent: AdamW with learning rate 0.002 and β₂ 0.98, 50 steps of
    warm-up, a cosine to 0, batches of 64, gradients clipped at norm 1 (FIELD.md's
    recipe for small transformers).
    """
    assert network.task is not None
    train, task = network.train, network.task
    batch_size = train.get("batch_size") or DEFAULT_BATCH_SIZE
    accumulation = train.get("gradient_accumulation_steps") or 1
    folder = Path(network.source.name).parent
    size = task_spec(task.name).train_size(task.params, folder)
    if size is None:  # only the running task can tell: `steps` is given
        epoch_steps = UNKNOWN_EPOCH
    else:
        epoch_steps = math.ceil(math.ceil(size / batch_size) / accumulation)
    total = train.get("steps") or (train.get("epochs") or DEFAULT_EPOCHS) * epoch_steps
    stopping = train.get("early_stopping")
    goal = goal_of(network)
    optimizer, schedule = _optimizer(network, RECIPE)
    plan = SimpleNamespace(
        **_steps(network, paths, optimizer, schedule),
        batch_size=batch_size,
        total_steps=total,
        validate_every=train.get("validate_every") or min(epoch_steps, total),
        scheduled_sampling=train.get("scheduled_sampling") or 0,
        shuffle=train.get("shuffle") is not False,
        device=network.execution.get("device") or "",
        stopping=stopping,
        restores=bool(stopping and stopping.params["restore_best_weights"]),
        tokens=goal.tokens,
        ignores=goal.tokens and task.name != "Text",  # there every token counts
        loss=goal.loss,
        measure=goal.measure,
        measure_words=goal.measure.replace("_", " "),
        short=goal.measure.split("_")[0],
        extras=goal.extras,
        extras_words=_and(goal.extras),
        measures=_measures(goal),
        weights_file=f"{network.name.lower()}.safetensors",
        tokenizer_file=f"{network.name.lower()}.tokenizer.json"
        if task.params.get("tokenizer") == "bpe"
        else None,
    )
    plan.constants = list(_constants(plan))
    return plan


def fit_plan(
    network: Network, backend: str, paths: Mapping[str, str]
) -> SimpleNamespace | None:
    """The values that `fit.py.j2` asks for. None for a file that says nothing of how its
    network learns, or names what the backend has no words for (`without_task` says so)."""
    train, loss = network.train, loss_of(network)
    said = (network.loss, network.optimizer, network.lr_schedule, train or None)
    if all(each is None for each in said) or loss.name not in TRAINED_LOSSES:
        return None
    optimizer, schedule = _optimizer(network, None)
    if optimizer.name in BACKENDS[backend].optimizers_lacking:
        return None
    plan = SimpleNamespace(
        **_steps(network, paths, optimizer, schedule),
        batch_size=train.get("batch_size") or 0,
        shuffle=train.get("shuffle") is not False,
        epochs=1 if train.get("steps") else train.get("epochs") or 1,
        steps=train.get("steps") or 0,
        tokens=False,
        ignores=False,
        loss=loss,
    )
    count, unit = (plan.steps, "step") if plan.steps else (plan.epochs, "epoch")
    plan.length = f"{count:,} {unit}{'s' * (count != 1)}"
    plan.doc = f"Trains for {plan.length} on inputs x and targets y."
    asked = any(metric.name == "accuracy" for metric in network.metrics)
    plan.accuracy = asked and loss.name.endswith("crossentropy")
    warm = plan.schedule is not None and plan.schedule.name.startswith("Warmup")
    plan.total = "total_steps" if warm and not plan.steps else "TOTAL_STEPS"
    plan.constants = list(_fit_constants(plan))
    return plan


def _steps(
    network: Network,
    paths: Mapping[str, str],
    optimizer: Setting,
    schedule: Setting | None,
) -> dict[str, Any]:
    """What a step of any training does, with a task or without one."""
    train = network.train
    plateau = plateau_of(None, schedule)
    return {
        "optimizer": optimizer,
        "asked": list(_asked(optimizer)),
        "muon_ends": [paths[layer.name] for layer in matrix_ends(network)],
        "schedule": None if plateau else schedule,
        "plateau": plateau,
        "accumulation": train.get("gradient_accumulation_steps") or 1,
        "clip": _clip(train, network),
        "clipnorm": optimizer.params.get("clipnorm"),
        "clipvalue": optimizer.params.get("clipvalue"),
        "label_smoothing": _smoothing(network),
        "mixed_precision": bool(train.get("mixed_precision")),
        "deterministic": bool(network.execution.get("deterministic")),
        "seed": train.get("seed") or 0,
        "several": len(network.inputs) > 1,
        "output_rank": len(network.output.shape),
        "embeds": any(layer.type == "Embedding" for layer in network.layers()),
    }


def hyperparameters(network: Network, paths: Mapping[str, str]) -> dict[str, str]:
    """What the training of a network does, as a person reads it."""
    plan = training_plan(network, paths)
    rules = {
        "optimizer": plan.optimizer,
        "schedule": plan.schedule or plan.plateau,
        "loss": plan.loss,
        "early stopping": plan.stopping,
    }
    shown = {name: _call(rule) for name, rule in rules.items() if rule is not None}
    numbers = {
        name.lower().replace("_", " "): f"{value:g}"
        for name, value, _ in plan.constants
        if name not in {"PATIENCE", "MIN_LEARNING_RATE"}  # the rules tell them
    }
    more = {
        "mixed precision": plan.mixed_precision,
        "deterministic": plan.deterministic,
    }
    return shown | numbers | {name: f"{v}" for name, v in more.items() if v}


def _call(setting: Setting) -> str:
    """`AdamW(learning_rate=0.002, beta_1=0.9)`."""
    given = {k: v for k, v in setting.params.items() if v is not None}
    return _construct(setting.name, given)


def _asked(optimizer: Setting) -> Iterator[str]:
    """`beta_2=0.98`: the parameters that are not the optimizer's defaults. The rate, the
    decay and the clipping of gradients are said elsewhere."""
    spec = OPTIMIZERS.find(optimizer.name)
    assert spec is not None
    elsewhere = {"learning_rate", "weight_decay", *(each.name for each in CLIPPING)}
    for parameter in spec.parameters:
        value = optimizer.params[parameter.name]
        if parameter.name not in elsewhere and value != parameter.default:
            yield f"{parameter.name}={literal(value)}"


def _and(names: tuple[str, ...]) -> str:
    """`, accuracy and perplexity`, to go on with in a docstring."""
    *first, last = names or ("",)
    return "".join(f", {name}" for name in first) + (f" and {last}" if last else "")


def _measures(goal: Goal) -> str:
    """What `evaluate` returns, by name, as Python code."""
    values = {"loss": "total / counted"}
    if goal.measure != "loss":
        values[goal.measure] = "right / len(targets)"
    computed = {
        "accuracy": "hits / counted",
        "perplexity": "float(np.exp(total / counted))",
    }
    values |= {name: computed[name] for name in goal.extras}
    pairs = (f'"{name}": {value}' for name, value in values.items())
    return f"{{{', '.join(pairs)}}}"


RECIPE = Setting("WarmupCosine", {"warmup_steps": WARMUP_STEPS}, _NOWHERE)


def _optimizer(
    network: Network, recipe: Setting | None
) -> tuple[Setting, Setting | None]:
    """The optimizer with a plain learning rate, and its schedule if it has one; `recipe`
    is the schedule of a file that names neither."""
    optimizer, schedule = network.optimizer, network.lr_schedule
    if optimizer is None:
        spec = OPTIMIZERS.find("AdamW")
        assert spec is not None
        defaults = {p.name: p.default for p in spec.parameters}
        given = {"learning_rate": DEFAULT_RATE, "beta_2": 0.98, "weight_decay": 0.01}
        optimizer = Setting("AdamW", {**defaults, **given}, _NOWHERE)
        schedule = schedule or recipe
    rate = optimizer.params["learning_rate"]
    if isinstance(rate, Setting):
        schedule = rate
    params = {**optimizer.params, "learning_rate": first_rate(optimizer, schedule)}
    return Setting(optimizer.name, params, optimizer.span), schedule


def _clip(train: Mapping[str, Any], network: Network) -> float | None:
    of_optimizer = network.optimizer and network.optimizer.params.get("global_clipnorm")
    given = train.get("gradient_clip") or of_optimizer
    return float(given) if given else None


def _smoothing(network: Network) -> float:
    given = network.train.get("label_smoothing")
    if given is None and network.loss is not None:
        given = network.loss.params.get("label_smoothing")
    return float(given or 0.0)


Constant = tuple[str, Any, str]


def _constants(plan: SimpleNamespace) -> Iterator[Constant]:
    yield "BATCH_SIZE", plan.batch_size, "problems a step"
    yield "TOTAL_STEPS", plan.total_steps, ""
    yield "VALIDATE_EVERY", plan.validate_every, "steps"
    yield "LEARNING_RATE", plan.optimizer.params["learning_rate"], ""
    yield from _constants_of_steps(plan)
    if plan.stopping:
        patience = plan.stopping.params["patience"]
        yield "PATIENCE", patience, "validations without improvement"
    if plan.plateau and plan.plateau.params["min_lr"]:
        yield "MIN_LEARNING_RATE", plan.plateau.params["min_lr"], ""
    if plan.scheduled_sampling:
        what = "share of its own predictions at the end"
        yield "SCHEDULED_SAMPLING", plan.scheduled_sampling, what


def _fit_constants(plan: SimpleNamespace) -> Iterator[Constant]:
    if plan.steps:
        yield "TOTAL_STEPS", plan.steps, ""
    else:
        yield "EPOCHS", plan.epochs, ""
    if plan.schedule:
        yield "LEARNING_RATE", plan.optimizer.params["learning_rate"], ""
    yield from _constants_of_steps(plan)


def _constants_of_steps(plan: SimpleNamespace) -> Iterator[Constant]:
    """The numbers of `_steps` that are in use."""
    schedule = plan.schedule
    if schedule is not None and schedule.name.startswith("Warmup"):
        yield "WARMUP_STEPS", schedule.params["warmup_steps"], ""
    for name, value, comment in (
        ("GRADIENT_CLIP", plan.clip, "largest norm of all gradients"),
        ("CLIP_NORM", plan.clipnorm, "largest norm of each gradient"),
        ("CLIP_VALUE", plan.clipvalue, "largest value in a gradient"),
        ("LABEL_SMOOTHING", plan.label_smoothing, "in training alone"),
        ("ACCUMULATION", plan.accumulation, "batches a step"),
    ):
        if value and (name, value) != ("ACCUMULATION", 1):
            yield name, value, comment


def _construct(name: str, arguments: Mapping[str, Any]) -> str:
    """`AdamW(learning_rate=0.002)`."""
    return f"{name}({', '.join(f'{k}={literal(v)}' for k, v in arguments.items())})"
