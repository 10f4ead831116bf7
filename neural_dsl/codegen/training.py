"""What the emitted file is told of its training: every setting resolved to a number."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from neural_dsl.catalogue.optimizers import OPTIMIZERS
from neural_dsl.catalogue.tasks import task_spec
from neural_dsl.catalogue.tasks.spec import Part
from neural_dsl.codegen.environment import literal
from neural_dsl.graph.nodes import Network, Setting
from neural_dsl.rules.measures import Goal, custom_of, goal_of
from neural_dsl.rules.muon import matrix_ends
from neural_dsl.rules.together import DEFAULT_RATE, first_rate, plateau_of
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
    optimizer, schedule = _optimizer(network)
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
    plateau = plateau_of(None, schedule)
    goal = goal_of(network)
    plan = SimpleNamespace(
        optimizer=optimizer,
        muon_ends=[_attribute(paths[layer.name]) for layer in matrix_ends(network)],
        schedule=schedule,
        plateau=plateau,
        batch_size=batch_size,
        total_steps=total,
        validate_every=train.get("validate_every") or min(epoch_steps, total),
        accumulation=accumulation,
        clip=_clip(train, optimizer),
        label_smoothing=_smoothing(network),
        scheduled_sampling=train.get("scheduled_sampling") or 0,
        mixed_precision=bool(train.get("mixed_precision")),
        shuffle=train.get("shuffle") is not False,
        clipnorm=optimizer.params.get("clipnorm"),
        clipvalue=optimizer.params.get("clipvalue"),
        device=network.execution.get("device") or "",
        deterministic=bool(network.execution.get("deterministic")),
        stopping=stopping,
        restores=bool(stopping and stopping.params["restore_best_weights"]),
        seed=train.get("seed") or 0,
        task_call=_task_call(network),
        several=len(network.inputs) > 1,
        tokens=goal.tokens,
        loss=goal.loss,
        measure=goal.measure,
        measure_words=goal.measure.replace("_", " "),
        short=goal.measure.split("_")[0],
        extras=goal.extras,
        extras_words=_and(goal.extras),
        output_rank=len(network.output.shape),
        weights_file=f"{network.name.lower()}.safetensors",
        tokenizer_file=f"{network.name.lower()}.tokenizer.json"
        if task.params.get("tokenizer") == "bpe"
        else None,
        renamed=json.dumps({p: n for n, p in paths.items() if p != n}),
    )
    plan.constants = list(_constants(plan))
    plan.progress_fields = list(_progress(plan))
    pairs = (f'"{name}": self.{name}' for name, _ in plan.progress_fields)
    plan.progress = f"{{{', '.join(pairs)}}}"
    plan.result = _result(goal)
    return plan


def hyperparameters(network: Network, paths: Mapping[str, str]) -> dict[str, str]:
    """What the training of a network does, as a person reads it."""
    plan = training_plan(network, paths)
    rules = {
        "optimizer": plan.optimizer,
        "schedule": plan.schedule,
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


def _attribute(path: str) -> tuple[str, str, str]:
    """A layer's path; its first part, and the rest as Python: `.blocks[2].dense`."""
    first, *rest = path.split(".")
    below = (f"[{part}]" if part.isdigit() else f".{part}" for part in rest)
    return path, first, "".join(below)


def _and(names: tuple[str, ...]) -> str:
    """`, accuracy and perplexity`, to go on with in a docstring."""
    *first, last = names or ("",)
    return "".join(f", {name}" for name in first) + (f" and {last}" if last else "")


def _result(goal: Goal) -> str:
    """What `evaluate` returns, by name, as Python code."""
    values = {
        "loss": "loss / size",
        goal.measure: "loss / size" if goal.measure == "loss" else "right / size",
    }
    computed = {
        "accuracy": "hits / answers",
        "perplexity": "float(np.exp(loss / size))",
    }
    values |= {name: computed[name] for name in goal.extras}
    pairs = (
        f'"{name}": {value}' for name, value in (values | {"count": "size"}).items()
    )
    return f"{{{', '.join(pairs)}}}"


def _optimizer(network: Network) -> tuple[Setting, Setting | None]:
    """The optimizer with a plain learning rate, and its schedule if it has one."""
    optimizer, schedule = network.optimizer, network.lr_schedule
    if optimizer is None:
        spec = OPTIMIZERS.find("AdamW")
        assert spec is not None
        defaults = {p.name: p.default for p in spec.parameters}
        given = {"learning_rate": DEFAULT_RATE, "beta_2": 0.98, "weight_decay": 0.01}
        optimizer = Setting("AdamW", {**defaults, **given}, _NOWHERE)
        recipe = Setting("WarmupCosine", {"warmup_steps": WARMUP_STEPS}, _NOWHERE)
        schedule = schedule or recipe
    rate = optimizer.params["learning_rate"]
    if isinstance(rate, Setting):
        schedule = rate
    params = {**optimizer.params, "learning_rate": first_rate(optimizer, schedule)}
    return Setting(optimizer.name, params, optimizer.span), schedule


def _clip(train: Mapping[str, Any], optimizer: Setting) -> float | None:
    given = train.get("gradient_clip") or optimizer.params.get("global_clipnorm")
    return float(given) if given else None


def _smoothing(network: Network) -> float:
    given = network.train.get("label_smoothing")
    if given is None and network.loss is not None:
        given = network.loss.params.get("label_smoothing")
    return float(given or 0.0)


def _constants(plan: SimpleNamespace) -> list[tuple[str, Any, str]]:
    rate = plan.optimizer.params["learning_rate"]
    warm = plan.schedule is not None and plan.schedule.name.startswith("Warmup")
    patience = plan.stopping.params["patience"] if plan.stopping else 0
    floor = plan.plateau.params["min_lr"] if plan.plateau else 0
    table = [
        ("BATCH_SIZE", plan.batch_size, "problems a step", True),
        ("TOTAL_STEPS", plan.total_steps, "", True),
        ("VALIDATE_EVERY", plan.validate_every, "steps", True),
        ("LEARNING_RATE", rate, "", True),
        ("WARMUP_STEPS", plan.schedule.params["warmup_steps"] if warm else 0, "", warm),
        ("GRADIENT_CLIP", plan.clip, "largest norm of all gradients", plan.clip),
        ("CLIP_NORM", plan.clipnorm, "largest norm of each gradient", plan.clipnorm),
        ("CLIP_VALUE", plan.clipvalue, "largest value in a gradient", plan.clipvalue),
        (
            "LABEL_SMOOTHING",
            plan.label_smoothing,
            "in training alone",
            plan.label_smoothing,
        ),
        ("ACCUMULATION", plan.accumulation, "batches a step", plan.accumulation > 1),
        ("PATIENCE", patience, "validations without improvement", plan.stopping),
        ("MIN_LEARNING_RATE", floor, "", floor),
        (
            "SCHEDULED_SAMPLING",
            plan.scheduled_sampling,
            "share of its own predictions at the end",
            plan.scheduled_sampling,
        ),
    ]
    return [(name, value, comment) for name, value, comment, used in table if used]


def _progress(plan: SimpleNamespace) -> list[tuple[str, str]]:
    fields = [("step", "int")]
    if plan.stopping:
        fields += [("best", "float"), ("waited", "int"), ("stopped", "bool")]
    if plan.plateau:
        # With early stopping there are two waits, often for two measures.
        prefix = "plateau_" if plan.stopping else ""
        fields += [(f"{prefix}best", "float"), (f"{prefix}waited", "int")]
        fields.append(("factor", "float"))
        if plan.plateau.params["cooldown"]:
            fields.append(("resting", "int"))
    return fields


def _task_call(network: Network) -> str:
    """`Copy(length=8, vocabulary=20)`: what the file gave and what it needs."""
    task = network.task
    assert task is not None
    custom = custom_of(network)
    if custom is not None:
        return f"{custom.name}()"
    spec = task_spec(task.name)
    defaults = {p.name: p.default for p in spec.parameters}
    arguments = spec.arguments(task.params)
    given = {k: v for k, v in arguments.items() if v != defaults.get(k)}
    if task.name == "Arrays":
        given |= _array_names(network)
    return _construct(spec.name, given)


def _construct(name: str, arguments: Mapping[str, Any]) -> str:
    """`Text(path="a.txt", tokenizer=Characters())`."""
    written = {
        k: _construct(v.name, v.params) if isinstance(v, Part) else literal(v)
        for k, v in arguments.items()
    }
    return f"{name}({', '.join(f'{k}={v}' for k, v in written.items())})"


def _array_names(network: Network) -> dict[str, tuple[str, ...]]:
    """Which arrays of the file are the model's inputs, and which of these are ids."""
    inputs = network.inputs
    alone = len(inputs) == 1 and inputs[0].name == "input"
    names = ("x",) if alone else tuple(each.name for each in inputs)
    ids = tuple(
        n for n, i in zip(names, inputs, strict=True) if i.tensor.dtype == "ids"
    )
    return {
        k: v for k, v in {"inputs": names, "ids": ids}.items() if v not in ((), ("x",))
    }
