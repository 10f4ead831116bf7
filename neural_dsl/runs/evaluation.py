"""How good a run's model is on problems never seen, and which of its layers it needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from neural_dsl.codegen.training import goal
from neural_dsl.runs.breakdown import Count, breakdowns
from neural_dsl.runs.decoding import greedy
from neural_dsl.runs.loaded import LoadedRun
from neural_dsl.runs.losses import count_right, mean_loss
from neural_dsl.runs.samples import Sample
from neural_dsl.tasks.custom import failures_named, has_answers

CHUNK = 250  # problems a pass
WRONG = 8  # wrong answers shown

Float32: TypeAlias = npt.NDArray[np.float32]
Run: TypeAlias = Callable[[dict[str, npt.NDArray[np.generic]]], Float32]


@dataclass(frozen=True)
class Ablation:
    """The measures with one attention's weights replaced by uniform ones."""

    attention: str
    heads: int
    measures: dict[str, float]


@dataclass(frozen=True)
class Report:
    """What `neural evaluate` found.

    `measures` are the emitted file's own (`evaluate`, teacher-forced). Tasks with answers
    have `greedy`: whole answers right when the model decodes by itself; `tables`: the
    same by position, length and the like; `ceiling`: the largest share of tokens that
    any model could get right in this format (None where nobody knows). Of language
    models there is the `perplexity`.
    """

    run: str
    model: str
    backend: str
    weights: str
    step: int
    split: str
    count: int
    measure: str
    measures: dict[str, float]
    perplexity: float | None
    greedy: Count | None
    tokens: Count | None
    ceiling: float | None
    tables: dict[str, list[Count]]
    attention: list[Ablation]
    wrong: list[Sample]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"schema_version": 1, **asdict(self)}


def evaluate(run: LoadedRun, split: str = "test") -> Report:
    """Measure a run's model on a split. Raises NeuralError as running it does."""
    with failures_named(run.task):
        return _report(run, split)


def _report(run: LoadedRun, split: str) -> Report:
    task, module, aim = run.task, run.runtime.module, goal(run.network)
    model: Any = run.runtime
    measures = module.evaluate(model.model, task, split)
    answers: list[Sample] = []
    tables: dict[str, list[Count]] = {}
    found = tokens = None
    if has_answers(task):
        answers = answered(run, split)
        right = sum(sample.right for sample in answers)
        found = Count("greedy", right, len(answers))
        tokens, tables = breakdowns(run, split, answers)
    return Report(
        run=str(run.folder),
        model=run.network.name,
        backend=run.runtime.name,
        weights=run.weights,
        step=run.step,
        split=split,
        count=int(measures["count"]),
        measure=aim["measure"],
        measures={k: v for k, v in measures.items() if k != "count"},
        perplexity=perplexity(aim, measures["loss"]),
        greedy=found,
        tokens=tokens,
        ceiling=ceiling(task),
        tables=tables,
        attention=ablations(run, split),
        wrong=[sample for sample in answers if not sample.right][:WRONG],
    )


def perplexity(aim: dict[str, Any], loss: float) -> float | None:
    """Among how many tokens a language model is in doubt; None for other models."""
    is_language = aim["tokens"] and aim["measure"] == "loss"
    return math.exp(min(loss, 700.0)) if is_language else None


def answered(run: LoadedRun, split: str) -> list[Sample]:
    """Every problem of a split with the answer that the model decodes greedily."""
    found = []
    for start in range(0, run.task.size(split), CHUNK):
        stop = min(start + CHUNK, run.task.size(split))
        problems = [run.task.problem(split, index) for index in range(start, stop)]
        prompts = [prompt for prompt, _ in problems]
        answers = greedy(run.logits, run.task, prompts, run.input_length)
        found += [
            Sample(prompt, answer, right)
            for (prompt, right), answer in zip(problems, answers, strict=True)
        ]
    return found


def ceiling(task: Any) -> float | None:
    """The share of scored tokens that follow from what stands before them.

    All of them where problems have one right answer and the loss leaves the rest out;
    in a repeated block whose symbols may recur, and in running text, some cannot be
    foreseen, and nobody knows how many.
    """
    if task.measure != "exact_match":
        return None
    guesses = type(task).__name__ == "PatternCompletion" and not task.unique
    return None if guesses else 1.0


def ablations(run: LoadedRun, split: str) -> list[Ablation]:
    """The attention check: each attention in turn made uniform, everything else kept.

    A layer whose attention can be levelled without loss is decoration.
    """
    found = []
    for name, _, attention in run.network.attentions():

        def uniform(inputs: Any, name: str = name) -> Float32:
            return run.runtime.run_uniform(inputs, [name])

        measures = measured(run, split, uniform)
        found.append(Ablation(name, attention.num_heads, measures))
    return found


def measured(run: LoadedRun, split: str, forward: Run) -> dict[str, float]:
    """Loss and the task's measure, as the emitted `evaluate` has them, for any way to
    run the model."""
    aim, total, right, size = goal(run.network), 0.0, 0, run.task.size(split)
    for inputs, targets in batches(run, split):
        logits = forward(inputs).astype(np.float64)
        total += len(targets) * mean_loss(aim, logits, targets)
        if aim["measure"] != "loss":
            right += count_right(aim, logits, targets)
    share = {} if aim["measure"] == "loss" else {aim["measure"]: right / size}
    return {"loss": total / size, **share}


def batches(
    run: LoadedRun, split: str
) -> Iterator[tuple[dict[str, npt.NDArray[np.generic]], npt.NDArray[Any]]]:
    """Inputs by name, and targets, a part of the split at a time."""
    size = run.task.size(split)
    for start in range(0, size, CHUNK):
        x, y = run.task.batch(split, np.arange(start, min(start + CHUNK, size)))
        arrays = x if isinstance(x, tuple) else (x,)
        names = [each.name for each in run.network.inputs]
        yield dict(zip(names, arrays, strict=True)), y
