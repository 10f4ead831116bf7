"""What the emitted file is told of its training: every setting resolved to a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.catalogue.optimizers import CLIPPING, OPTIMIZERS
from neural_dsl.codegen.environment import literal
from neural_dsl.graph.nodes import Network, Setting
from neural_dsl.rules.common import DEFAULT_RATE, TRAINED_LOSSES, first_rate, plateau_of
from neural_dsl.rules.learning import matrix_ends
from neural_dsl.rules.measures import Goal, goal_of, loss_of
from neural_dsl.source import Span
from neural_dsl.tasks import task_spec

DEFAULT_BATCH_SIZE = 64
DEFAULT_EPOCHS = 10
UNKNOWN_EPOCH = 200
"""Steps between two validations of a task whose size is not known here."""
RECIPE = Setting("WarmupCosine", {"warmup_steps": 50}, Span(0, 0))
"""The schedule of a file with a task that names neither optimizer nor schedule."""


def training_plan(network: Network, paths: Mapping[str, str]) -> SimpleNamespace:
    """The values that `training.py.j2` asks for. `paths` says where the layers live.

    Where the file is silent: AdamW with learning rate 0.002 and β₂ 0.98, 50 steps of
    warm-up, a cosine to 0, batches of 64.
    """
    assert network.task is not None
    train, task, goal = network.train, network.task, goal_of(network)
    batch_size = train.get("batch_size") or DEFAULT_BATCH_SIZE
    plan = _plan(network, paths, RECIPE)
    epoch_steps = _epoch_steps(network, batch_size, plan.accumulation)
    total = train.get("steps") or (train.get("epochs") or DEFAULT_EPOCHS) * epoch_steps
    stopping = train.get("early_stopping")
    last = "".join(f" and {name}" for name in goal.extras[-1:])
    file = network.name.lower()
    plan.__dict__.update(
        batch_size=batch_size,
        total_steps=total,
        validate_every=train.get("validate_every") or min(epoch_steps, total),
        scheduled_sampling=train.get("scheduled_sampling") or 0,
        device=network.execution.get("device") or "",
        stopping=stopping,
        restores=bool(stopping and stopping.params["restore_best_weights"]),
        tokens=goal.tokens,
        ignores=goal.tokens and task.name != "Text",  # there every token counts
        measure=goal.measure,
        measure_words=goal.measure.replace("_", " "),
        short=goal.measure.split("_")[0],
        extras=goal.extras,
        extras_words=", ".join(["", *goal.extras[:-1]]) + last,
        measures=_measures(goal),
        weights_file=f"{file}.safetensors",
        tokenizer_file=f"{file}.tokenizer.json"
        if task.params.get("tokenizer") == "bpe"
        else None,
    )
    patience = stopping and stopping.params["patience"]
    floor = plan.plateau and plan.plateau.params["min_lr"]
    share = "share of its own predictions at the end"
    rows = (
        ("BATCH_SIZE", batch_size, "problems a step"),
        ("TOTAL_STEPS", total, ""),
        ("VALIDATE_EVERY", plan.validate_every, "steps"),
        ("LEARNING_RATE", plan.optimizer.params["learning_rate"], ""),
        *plan.constants,
        ("PATIENCE", patience, "validations without improvement"),
        ("MIN_LEARNING_RATE", floor, ""),
        ("SCHEDULED_SAMPLING", plan.scheduled_sampling, share),
    )
    plan.constants = [row for row in rows if row[1]]
    return plan


def _epoch_steps(network: Network, batch_size: int, accumulation: int) -> int:
    """The steps of an epoch, where a step takes so many batches."""
    assert network.task is not None
    task, folder = network.task, Path(network.source.name).parent
    size = task_spec(task.name).train_size(task.params, folder)
    if size is None:  # only the running task can tell: `steps` is given
        return UNKNOWN_EPOCH
    return math.ceil(math.ceil(size / batch_size) / accumulation)


def _measures(goal: Goal) -> str:
    """The measures of a validation as code: `{"loss": total / counted, …}`."""
    computed = {
        "loss": "total / counted",
        "accuracy": "hits / counted",
        "perplexity": "float(np.exp(total / counted))",
    }
    if goal.measure != "loss":
        computed[goal.measure] = "right / len(targets)"
    measures = ", ".join(f'"{name}": {computed[name]}' for name in goal.measures)
    return f"{{{measures}}}"


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
    plan = _plan(network, paths, None)
    if plan.optimizer.name in BACKENDS[backend].optimizers_lacking:
        return None
    steps = train.get("steps") or 0
    epochs = 1 if steps else train.get("epochs") or 1
    count, unit = (steps, "step") if steps else (epochs, "epoch")
    warm = plan.schedule is not None and plan.schedule.name.startswith("Warmup")
    plan.__dict__.update(
        batch_size=train.get("batch_size") or 0,
        epochs=epochs,
        steps=steps,
        validation_split=train.get("validation_split") or 0,
        tokens=False,
        ignores=False,
        accuracy=accuracy,
        length=f"{count:,} {unit}{'s' * (count != 1)}",
        total="total_steps" if warm and not steps else "TOTAL_STEPS",
    )
    rate = plan.schedule and plan.optimizer.params["learning_rate"]
    first = ("TOTAL_STEPS", steps, ""), ("LEARNING_RATE", rate, "")
    plan.constants = [row for row in (*first, *plan.constants) if row[1]]
    return plan


def _plan(
    network: Network, paths: Mapping[str, str], recipe: Setting | None
) -> SimpleNamespace:
    """What a step of any training does, with a task or without one."""
    train, loss = network.train, loss_of(network)
    optimizer, schedule = _optimizer(network, recipe)
    params, plateau = optimizer.params, plateau_of(None, schedule)
    elsewhere = {"learning_rate", "weight_decay", *(each.name for each in CLIPPING)}
    defaults = _defaults(optimizer.name).items()
    clip = train.get("gradient_clip") or params.get("global_clipnorm")
    smoothing = train.get("label_smoothing")
    if smoothing is None:
        smoothing = loss.params.get("label_smoothing")
    if not loss.name.endswith("crossentropy"):  # no classes: nothing to smooth
        smoothing = None
    plan = SimpleNamespace(
        optimizer=optimizer,
        asked=[
            f"{name}={literal(params[name])}"
            for name, default in defaults
            if name not in elsewhere and params[name] != default
        ],
        muon_ends=[paths[layer.name] for layer in matrix_ends(network)],
        schedule=None if plateau else schedule,
        plateau=plateau,
        loss=loss,
        accumulation=train.get("gradient_accumulation_steps") or 1,
        clip=float(clip) if clip else None,
        clipnorm=params.get("clipnorm"),
        clipvalue=params.get("clipvalue"),
        label_smoothing=float(smoothing or 0.0),
        mixed_precision=bool(train.get("mixed_precision")),
        deterministic=bool(network.execution.get("deterministic")),
        seed=train.get("seed") or 0,
        shuffle=train.get("shuffle") is not False,
        several=len(network.inputs) > 1,
        output_rank=len(network.output.shape),
        embeds=any(layer.type == "Embedding" for layer in network.layers()),
    )
    warm = plan.schedule is not None and plan.schedule.name.startswith("Warmup")
    batches = plan.accumulation if plan.accumulation > 1 else 0
    plan.constants = [  # name, value (none where it is not in use), comment
        ("WARMUP_STEPS", warm and plan.schedule.params["warmup_steps"], ""),
        ("GRADIENT_CLIP", plan.clip, "largest norm of all gradients"),
        ("CLIP_NORM", plan.clipnorm, "largest norm of each gradient"),
        ("CLIP_VALUE", plan.clipvalue, "largest value in a gradient"),
        ("LABEL_SMOOTHING", plan.label_smoothing, "in training alone"),
        ("ACCUMULATION", batches, "batches a step"),
    ]
    return plan


def _optimizer(
    network: Network, recipe: Setting | None
) -> tuple[Setting, Setting | None]:
    """The optimizer with a plain learning rate, and its schedule if it has one; `recipe`
    is the schedule of a file that names neither."""
    optimizer, schedule = network.optimizer, network.lr_schedule
    if optimizer is None:
        given = {"learning_rate": DEFAULT_RATE, "beta_2": 0.98, "weight_decay": 0.01}
        optimizer = Setting("AdamW", {**_defaults("AdamW"), **given}, Span(0, 0))
        schedule = schedule or recipe
    rate = optimizer.params["learning_rate"]
    if isinstance(rate, Setting):
        schedule = rate
    params = {**optimizer.params, "learning_rate": first_rate(optimizer, schedule)}
    return Setting(optimizer.name, params, optimizer.span), schedule


def _defaults(optimizer: str) -> dict[str, Any]:
    spec = OPTIMIZERS.find(optimizer)
    assert spec is not None
    return {each.name: each.default for each in spec.parameters}


def hyperparameters(network: Network, paths: Mapping[str, str]) -> dict[str, str]:
    """What the training of a network does, as a person reads it."""
    plan = training_plan(network, paths)
    rules = {
        "optimizer": plan.optimizer,
        "schedule": plan.schedule or plan.plateau,
        "loss": plan.loss,
        "early stopping": plan.stopping,
    }
    numbers = {
        name.lower().replace("_", " "): f"{value:g}"
        for name, value, _ in plan.constants
        if name not in {"PATIENCE", "MIN_LEARNING_RATE"}  # the rules tell them
    }
    more = {
        "mixed precision": plan.mixed_precision,
        "deterministic": plan.deterministic,
    }
    shown = {name: _call(rule) for name, rule in rules.items() if rule is not None}
    return shown | numbers | {name: "True" for name, value in more.items() if value}


def _call(setting: Setting) -> str:
    """`AdamW(learning_rate=0.002, beta_1=0.9)`."""
    given = {k: v for k, v in setting.params.items() if v is not None}
    return f"{setting.name}({', '.join(f'{k}={literal(v)}' for k, v in given.items())})"
