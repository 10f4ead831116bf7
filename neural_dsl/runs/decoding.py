"""Answers as a model writes them: one token after another, each fed back to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from neural_dsl.diagnostics import refusal
from neural_dsl.tasks.base import PAD
from neural_dsl.tasks.checked import has_answers

Ids: TypeAlias = npt.NDArray[np.int64]
Logits: TypeAlias = Callable[[Ids], npt.NDArray[np.float32]]
"""Token ids (B, T) to logits (B, T, V)."""

CHUNK = 250  # problems a pass
LOOKED_AT = 32  # problems of the validation, the same ones each time
SHOWN = 3  # right ones, and as many wrong ones


@dataclass(frozen=True)
class Sample:
    """A prompt, what the model wrote, and what is right."""

    prompt: str
    answer: str
    expected: str

    @property
    def right(self) -> bool:
        """Whether the whole answer is right."""
        return self.answer == self.expected

    def line(self) -> str:
        """`12+34=46`, or `12+34=45, not 46`."""
        wrong = "" if self.right else f", not {self.expected}"
        return f"{self.prompt}{self.answer}{wrong}"


def answered(
    logits: Logits, task: Any, split: str, count: int, fixed: int | None
) -> tuple[list[Sample], list[list[int]]]:
    """The first problems of a split with the answers that a model decodes greedily, as
    text and as ids. `fixed`: the one length that it takes, if it does."""
    samples, written = list[Sample](), list[list[int]]()
    for start in range(0, count, CHUNK):
        places = range(start, min(start + CHUNK, count))
        problems = [task.problem(split, place) for place in places]
        answers = greedy_ids(logits, task, [prompt for prompt, _ in problems], fixed)
        for (prompt, right), ids in zip(problems, answers, strict=True):
            samples.append(Sample(prompt, task.decode(ids), right))
        written += answers
    return samples, written


def sample_predictions(
    logits: Logits, task: Any, fixed: int | None = None
) -> list[Sample]:
    """A few right answers of the validation and a few wrong ones; none for tasks without
    answers."""
    if not has_answers(task):
        return []
    count = min(LOOKED_AT, task.size("validation"))
    samples, _ = answered(logits, task, "validation", count, fixed)
    right = [sample for sample in samples if sample.right]
    wrong = [sample for sample in samples if not sample.right]
    return right[:SHOWN] + wrong[:SHOWN]


def greedy_ids(
    logits: Logits,
    task: Any,
    prompts: Sequence[str],
    fixed: int | None = None,
    longest: int | None = None,
) -> list[list[int]]:
    """The ids of the answers to prompts, END included, always the likeliest token; none
    has more than `longest`. Raises ValueError for a prompt that the task cannot read."""
    encoded = [np.asarray(task.encode(prompt), dtype=np.int64) for prompt in prompts]
    lengths = [task.answer_length(prompt) for prompt in prompts]
    if longest is not None:
        lengths = [min(length, longest) for length in lengths]
    return decoded(logits, task, encoded, lengths, fixed)


def decoded(
    logits: Logits,
    task: Any,
    prompts: Sequence[Ids],
    lengths: Sequence[int],
    fixed: int | None,
) -> list[list[int]]:
    """Answers of at most these lengths to prompts (P,): one token after another, or, of a
    task that is not causal, at the positions of their sources."""
    answers: list[list[int]] = [[] for _ in prompts]
    if not prompts:
        return answers
    if not task.causal:
        # Prompts of one length at a time: a model that looks ahead may look at padding.
        for length in sorted({len(ids) for ids in prompts}):
            rows = [i for i, ids in enumerate(prompts) if len(ids) == length]
            tokens = np.full((len(rows), fixed or length), PAD, dtype=np.int64)
            tokens[:, :length] = [prompts[row] for row in rows]
            chosen = logits(tokens).argmax(-1)
            for place, row in enumerate(rows):
                answers[row] = chosen[place, : lengths[row]].tolist()
        return answers
    starts = np.array([len(ids) for ids in prompts])
    width = max(fixed or 0, int((starts + np.array(lengths)).max()))
    # Padding stands behind what is read, where a causal model never looks.
    tokens = np.full((len(prompts), width), PAD, dtype=np.int64)
    for written, ids in zip(tokens, prompts, strict=True):
        written[: len(ids)] = ids
    active: Any = np.flatnonzero(np.array(lengths) > 0)
    done = 0
    while len(active):  # all rows in step; one that has ended is left out
        last = starts[active] + done
        if fixed and last.max() > fixed:
            raise refusal(
                "NE162",
                "the task's `answer_length` lets an answer go on beyond the "
                f"{fixed} ids that the model reads",
                help="leave room for the prompt; or, if answers stand at the positions "
                "of their prompts, write `causal = False`",
            )
        found = logits(tokens[active, : fixed or int(last.max())])
        chosen = found[np.arange(len(active)), last - 1].argmax(-1)  # (active,)
        tokens[active, last] = chosen
        done += 1
        going = []
        for row, token in zip(active.tolist(), chosen.tolist(), strict=True):
            answers[row].append(token)
            if not task.is_end(token) and done < lengths[row]:
                going.append(row)
        active = np.array(going, dtype=np.int64)
    return answers


def draw(
    scores: npt.NDArray[np.float64],
    rng: np.random.Generator,
    temperature: float,
    top_k: int | None,
) -> int:
    """An index, drawn with softmax(scores / temperature): below 1 the likely gets
    likelier, 0 always takes the likeliest. `top_k` leaves the k likeliest only."""
    if temperature == 0:
        return int(scores.argmax())
    if top_k is not None and top_k < len(scores):
        least = np.partition(scores, -top_k)[-top_k]
        scores = np.where(scores < least, -np.inf, scores)
    with np.errstate(over="ignore"):  # a temperature near 0: -inf is what is meant
        weights = np.exp((scores - scores.max()) / temperature)
    return int(rng.choice(len(scores), p=weights / weights.sum()))
