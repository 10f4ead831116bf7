"""How good a run's model is on problems never seen, and which of its layers it needs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from neural_dsl.backends.training import measures_of
from neural_dsl.rules.measures import goal_of
from neural_dsl.runs.decoding import Sample, answered, decoded
from neural_dsl.runs.loaded import LoadedRun
from neural_dsl.runs.task_files import refuse_unknown_splits
from neural_dsl.targets.network import NetworkTarget
from neural_dsl.tasks.checked import failures_named, has_answers

WRONG = 8  # wrong answers shown
WORSE = 0.005  # of the loss in nats, and of a share of right answers

Row = tuple[Any, str]  # of a table: what orders the rows, and its label


@dataclass(frozen=True)
class Count:
    """`right` of `count` under a label."""

    label: str
    right: int
    count: int

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self.right / self.count if self.count else 0.0


@dataclass(frozen=True)
class Ablation:
    """The measures with one attention's weights replaced by uniform ones. `decoration`:
    the model is no worse for it, by the one rule of `ablations`."""

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
    task, answers, tables = run.task, list[Sample](), dict[str, list[Count]]()
    greedy = tokens = None
    with failures_named(task):
        refuse_unknown_splits(run.described, task, run.folder, split)
        measures, count = measured(run, split)
        if has_answers(task):
            answers, written = answered(
                run.logits, task, split, task.size(split), run.input_length
            )
            greedy = Count("greedy", sum(a.right for a in answers), len(answers))
            places = by_position(task, split, written)
            right = sum(each.right for each in places)
            tokens = Count("tokens", right, sum(each.count for each in places))
            tables = {"position": places, **by_kind(run, answers)}
        attention = ablations(run, split, measures)
    language = getattr(task, "tokenizer", None) is not None
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
        perplexity=math.exp(min(measures["loss"], 700.0)) if language else None,
        greedy=greedy,
        tokens=tokens,
        ceiling=task.reachable(),
        tables=tables,
        attention=attention,
        wrong=[sample for sample in answers if not sample.right][:WRONG],
    )


def by_position(task: Any, split: str, written: Sequence[Sequence[int]]) -> list[Count]:
    """How often each token of the answer is right, whatever the others are; `written`
    holds the ids of the answers, in the order of the split."""
    targets = task.batch(split, np.arange(task.size(split)))[1]
    found = defaultdict[int, list[bool]](list)
    for answer, row in zip(written, targets, strict=True):
        for place, token in enumerate(row[row >= 0]):
            found[place].append(place < len(answer) and bool(answer[place] == token))
    names = task.place_names(len(found))
    return _counts({(place, names[place]): right for place, right in found.items()})


def by_kind(run: LoadedRun, answers: Sequence[Sample]) -> dict[str, list[Count]]:
    """Exact match by the kinds of problems that a task tells apart, those that training
    never had too, where the model has positions for them."""
    task, fixed = run.task, run.input_length
    tables: dict[str, dict[Row, list[bool]]] = {}
    for answer in answers:
        for table, row in task.rows_of(answer.prompt).items():
            tables.setdefault(table, {}).setdefault(row, []).append(answer.right)
    limits = [layer.params.get("max_len") for layer in run.network.layers()]
    longest = min(filter(None, (*limits, fixed)), default=math.inf)
    for table, row, prompts, expected in task.never_trained_on(longest):
        rows = tables.setdefault(table, {})
        if row not in rows:
            lengths = [expected.shape[1]] * len(expected)
            found = decoded(run.logits, task, list(prompts), lengths, fixed)
            pairs = zip(found, expected.tolist(), strict=True)
            rows[row[0], f"{row[1]} (never trained on)"] = [a == b for a, b in pairs]
    return {table: _counts(rows) for table, rows in tables.items()}


def _counts(rows: Mapping[Row, Sequence[bool]]) -> list[Count]:
    return [Count(label, sum(r), len(r)) for (_, label), r in sorted(rows.items())]


def measured(run: LoadedRun, split: str) -> tuple[dict[str, float], int]:
    """What the emitted file's own `evaluate` says of a split, and of how many examples."""
    runtime: Any = run.runtime
    measures = measures_of(runtime.module, runtime.model, split)
    return measures, int(measures.pop("count"))


def ablations(run: LoadedRun, split: str, whole: dict[str, float]) -> list[Ablation]:
    """The attention check: each attention in turn made uniform. `whole` are the measures
    with all of them. A layer is decoration where the loss rises by less than 0.005 and the
    share of right answers falls by less than half a percent. Where hardly an answer is
    right, few can become wrong: so the loss has its say too."""
    found, target = [], NetworkTarget(run.runtime)
    shares = [key for key in ("exact_match", "accuracy") if key in whole]
    for name, _, attention in run.network.attentions():
        with target.gated({(name, None): "uniform"}):
            left, _ = measured(run, split)
        worse = [left["loss"] - whole["loss"]]
        worse += [whole[key] - left[key] for key in shares]
        found.append(Ablation(name, attention.num_heads, left, max(worse) < WORSE))
    return found
