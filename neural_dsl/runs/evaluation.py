"""How good a run's model is on problems never seen, and which of its layers it needs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from neural_dsl.backends.training import measures_of
from neural_dsl.rules.measures import goal_of
from neural_dsl.runs.breakdown import Count, breakdowns
from neural_dsl.runs.decoding import Sample, answered
from neural_dsl.runs.loaded import LoadedRun
from neural_dsl.runs.splits import refuse_unknown_splits
from neural_dsl.targets.network import NetworkTarget
from neural_dsl.tasks.checked import failures_named
from neural_dsl.tasks.custom import has_answers
from neural_dsl.tasks.problems import builds_on

CHUNK = 250  # problems a pass
WRONG = 8  # wrong answers shown
WORSE = 0.005  # of the loss in nats, and of a share of right answers


@dataclass(frozen=True)
class Ablation:
    """The measures with one attention's weights replaced by uniform ones. `decoration`:
    the model is no worse for it, by the one rule of `is_decoration`."""

    attention: str
    heads: int
    measures: dict[str, float]
    decoration: bool


@dataclass(frozen=True)
class Report:
    """What `neural evaluate` found.

    `measures` are the emitted file's own (`evaluate`, teacher-forced); language models
    have a `perplexity` too. Tasks with answers have `greedy`: whole answers right when the
    model decodes by itself; `tables`: the same by position, length and the like;
    `ceiling`: the largest share of tokens that any model could get right in this format
    (None where nobody knows).
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
    refuse_unknown_splits(run.described, run.task, run.folder, split)
    task = run.task
    measures, count = measured(run, split)
    answers: list[Sample] = []
    tables: dict[str, list[Count]] = {}
    written: list[list[int]] = []
    greedy = tokens = None
    if has_answers(task):
        for start in range(0, task.size(split), CHUNK):
            places = range(start, min(start + CHUNK, task.size(split)))
            found = answered(run.logits, task, split, places, run.input_length)
            answers += found[0]
            written += found[1]
        right = sum(sample.right for sample in answers)
        greedy = Count("greedy", right, len(answers))
        tokens, tables = breakdowns(run, split, answers, written)
    return Report(
        run=str(run.folder),
        model=run.network.name,
        backend=run.runtime.name,
        weights=run.weights,
        step=run.step,
        split=split,
        count=count,
        measure=goal_of(run.network).measure,
        measures=measures,
        perplexity=perplexity(run, measures["loss"]),
        greedy=greedy,
        tokens=tokens,
        ceiling=ceiling(task),
        tables=tables,
        attention=ablations(run, split, measures),
        wrong=[sample for sample in answers if not sample.right][:WRONG],
    )


def measured(run: LoadedRun, split: str) -> tuple[dict[str, float], int]:
    """What the emitted file's own `evaluate` says of a split, and of how many examples."""
    runtime: Any = run.runtime
    measures = measures_of(runtime.module, runtime.model, split)
    return measures, int(measures.pop("count"))


def ceiling(task: Any) -> float | None:
    """The share of scored tokens that follow from what stands before them.

    All of them where problems have one right answer and the loss leaves the rest out;
    in a repeated block whose symbols may recur, and in running text, some cannot be
    foreseen, and nobody knows how many.
    """
    if task.measure != "exact_match":
        return None
    guesses = builds_on(task, "PatternCompletion") and not task.unique
    return None if guesses else 1.0


def ablations(run: LoadedRun, split: str, whole: dict[str, float]) -> list[Ablation]:
    """The attention check: each attention in turn made uniform, everything else kept.

    `whole` are the measures with all of them.
    """
    found, target = [], NetworkTarget(run.runtime)
    for name, _, attention in run.network.attentions():
        with target.gated({(name, None): "uniform"}):
            left, _ = measured(run, split)
        decoration = is_decoration(whole, left)
        found.append(Ablation(name, attention.num_heads, left, decoration))
    return found


def is_decoration(whole: dict[str, float], left: dict[str, float]) -> bool:
    """Whether a model is no worse without a layer's attention: its loss rises by less
    than 0.005, and the share of right answers falls by less than half a percent. Where
    hardly an answer is right, few can become wrong: so the loss has its say too."""
    lost = [
        whole[key] - left[key] for key in ("exact_match", "accuracy") if key in whole
    ]
    return left["loss"] - whole["loss"] < WORSE and all(each < WORSE for each in lost)


def perplexity(run: LoadedRun, loss: float) -> float | None:
    """exp(loss): among how many tokens a language model is in doubt; None for a task
    that is no language."""
    if getattr(run.task, "tokenizer", None) is None:
        return None
    return math.exp(min(loss, 700.0))
