"""How good a run's model is on problems never seen, and which of its layers it needs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
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

CHUNK = 250  # problems a pass
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
        greedy = Count("greedy", sum(a.right for a in answers), len(answers))
        places_of = by_position(task, split, written)
        right = sum(count.right for count in places_of)
        tokens = Count("tokens", right, sum(count.count for count in places_of))
        tables = {"position": places_of, **by_kind(run, answers)}
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
        attention=ablations(run, split, measures),
        wrong=[sample for sample in answers if not sample.right][:WRONG],
    )


def by_position(task: Any, split: str, written: Sequence[Sequence[int]]) -> list[Count]:
    """How often each token of the answer is right, whatever the others are; `written`
    holds the ids of the answers, in the order of the split."""
    targets = task.batch(split, np.arange(task.size(split)))[1]
    found = [
        (place, place < len(answer) and bool(answer[place] == token))
        for answer, row in zip(written, targets, strict=True)
        for place, token in enumerate(row[row >= 0])
    ]
    names = task.place_names(1 + max((place for place, _ in found), default=-1))
    rows = _tally(((place, names[place]), right) for place, right in found)
    return [rows[row] for row in sorted(rows)]


def by_kind(run: LoadedRun, answers: Sequence[Sample]) -> dict[str, list[Count]]:
    """Exact match by the kinds of problems that a task tells apart, those that training
    never had too, where the model has positions for them."""
    task, ends = run.task, run.task.is_end if run.task.causal else None
    kinds = [(task.rows_of(answer.prompt), answer.right) for answer in answers]
    names = dict.fromkeys(table for rows, _ in kinds for table in rows)
    tables = {
        table: _tally((rows[table], right) for rows, right in kinds) for table in names
    }
    limits = [layer.params.get("max_len") for layer in run.network.layers()]
    longest = min(filter(None, (*limits, run.input_length)), default=math.inf)
    for table, row, prompts, expected in task.never_trained_on(longest):
        counts = tables.setdefault(table, {})
        if row in counts:
            continue
        lengths = [expected.shape[1]] * len(expected)
        found = decoded(run.logits, list(prompts), lengths, run.input_length, ends)
        right = sum(a == e.tolist() for a, e in zip(found, expected, strict=True))
        counts[row] = Count(f"{row[1]} (never trained on)", right, len(expected))
    return {
        table: [counts[row] for row in sorted(counts)]
        for table, counts in tables.items()
    }


def _tally(found: Iterable[tuple[Row, bool]]) -> dict[Row, Count]:
    """What was found right or wrong, counted by its row."""
    pairs = list(found)
    right = Counter(row for row, is_right in pairs if is_right)
    count = Counter(row for row, _ in pairs)
    return {row: Count(row[1], right[row], count[row]) for row in count}


def measured(run: LoadedRun, split: str) -> tuple[dict[str, float], int]:
    """What the emitted file's own `evaluate` says of a split, and of how many examples."""
    runtime: Any = run.runtime
    measures = measures_of(runtime.module, runtime.model, split)
    return measures, int(measures.pop("count"))


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
