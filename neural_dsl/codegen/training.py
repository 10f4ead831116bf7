"""What the emitted file is told of its training: every setting resolved to a number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.catalogue.optimizers import CLIPPING, OPTIMIZERS
from neural_dsl.codegen.environment import literal
from neural_dsl.graph.nodes import Network, Setting
from neural_dsl.rules.common import (
    DEFAULT_RATE,
    TRAINED_LOSSES,
    first_rate,
    plateau_of,
)
from neural_dsl.rules.learning import matrix_ends
from neural_dsl.rules.measures import Goal, goal_of, loss_of
from neural_dsl.source import Span
from neural_dsl.tasks import task_spec

_NOWHERE = Span(0, 0)
Constant: TypeAlias = tuple[str, Any, str]
"""Name, value (none where it is not in use) and comment."""
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
    patience = stopping and stopping.params["patience"]
    floor = plan.plateau and plan.plateau.params["min_lr"]
    share = "share of its own predictions at the end"
    plan.constants = _constants(
        plan,
        (
            ("BATCH_SIZE", batch_size, "problems a step"),
            ("TOTAL_STEPS", total, ""),
            ("VALIDATE_EVERY", plan.validate_every, "steps"),
            ("LEARNING_RATE", optimizer.params["learning_rate"], ""),
        ),
        (
            ("PATIENCE", patience, "validations without improvement"),
            ("MIN_LEARNING_RATE", floor, ""),
            ("SCHEDULED_SAMPLING", plan.scheduled_sampling, share),
        ),
    )
    return plan


def fit_plan(
    network: Network, backend: str, paths: Mapping[str, str]
) -> SimpleNamespace | None:
    """The values that `fit.py.j2` asks for. None for a file that says nothing of how its
    network learns, or names what the backend has no words for (`without_task` says so)."""
    train, loss = network.train, loss_of(network)
    asked = any(metric.name == "accuracy" for metric in network.metrics)
    accuracy = asked and loss.name.endswith("crossentropy")
    said = (network.loss, network.optimizer, network.lr_schedule, train, accuracy)
    if not any(said) or loss.name not in TRAINED_LOSSES:
        return None
    optimizer, schedule = _optimizer(network, None)
    if optimizer.name in BACKENDS[backend].optimizers_lacking:
        return None
    steps = train.get("steps") or 0
    epochs = 1 if steps else train.get("epochs") or 1
    count, unit = (steps, "step") if steps else (epochs, "epoch")
    warm = schedule is not None and schedule.name.startswith("Warmup")
    plan = SimpleNamespace(
        **_steps(network, paths, optimizer, schedule),
        batch_size=train.get("batch_size") or 0,
        shuffle=train.get("shuffle") is not False,
        epochs=epochs,
        steps=steps,
        validation_split=train.get("validation_split") or 0,
        tokens=False,
        ignores=False,
        loss=loss,
        accuracy=accuracy,
        length=f"{count:,} {unit}{'s' * (count != 1)}",
        total="total_steps" if warm and not steps else "TOTAL_STEPS",
    )
    rate = plan.schedule and optimizer.params["learning_rate"]
    first = (("TOTAL_STEPS", steps, ""), ("LEARNING_RATE", rate, ""))
    plan.constants = _constants(plan, first)
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
    return f"{setting.name}({', '.join(f'{k}={literal(v)}' for k, v in given.items())})"


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
    """0 for losses that are of no classes: nothing to smooth."""
    if not loss_of(network).name.endswith("crossentropy"):
        return 0.0
    given = network.train.get("label_smoothing")
    if given is None and network.loss is not None:
        given = network.loss.params.get("label_smoothing")
    return float(given or 0.0)


def _constants(
    plan: SimpleNamespace, first: tuple[Constant, ...], last: tuple[Constant, ...] = ()
) -> list[Constant]:
    """The numbers that the file names, those that are in use."""
    schedule = plan.schedule
    warm = schedule is not None and schedule.name.startswith("Warmup")
    of_steps = (
        ("WARMUP_STEPS", warm and schedule.params["warmup_steps"], ""),
        ("GRADIENT_CLIP", plan.clip, "largest norm of all gradients"),
        ("CLIP_NORM", plan.clipnorm, "largest norm of each gradient"),
        ("CLIP_VALUE", plan.clipvalue, "largest value in a gradient"),
        ("LABEL_SMOOTHING", plan.label_smoothing, "in training alone"),
        ("ACCUMULATION", plan.accumulation > 1 and plan.accumulation, "batches a step"),
    )
    return [row for row in (*first, *of_steps, *last) if row[1]]
