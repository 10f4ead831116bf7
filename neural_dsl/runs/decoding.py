"""Answers as a model writes them: one token after another, each fed back to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Ids: TypeAlias = npt.NDArray[np.int64]
Logits: TypeAlias = Callable[[Ids], npt.NDArray[np.float32]]
"""Token ids (B, T) to logits (B, T, V)."""

PAD = 0


def greedy(
    logits: Logits, task: Any, prompts: Sequence[str], fixed: int | None = None
) -> list[str]:
    """The answers to prompts, always the likeliest token. Raises ValueError for a prompt
    that the task cannot read. `fixed`: the one length that the model takes, if it does."""
    encoded = [np.asarray(task.encode(prompt), dtype=np.int64) for prompt in prompts]
    lengths = [task.answer_length(prompt) for prompt in prompts]
    answers = greedy_ids(logits, task, encoded, lengths, fixed)
    return [task.decode(answer) for answer in answers]


def greedy_ids(
    logits: Logits,
    task: Any,
    prompts: Sequence[Ids],
    lengths: Sequence[int],
    fixed: int | None = None,
) -> list[list[int]]:
    """The same for ids: answers of at most these lengths, END included."""
    if not prompts:
        return []
    decode = _one_by_one if task.causal else _all_at_once
    return decode(logits, task, prompts, lengths, fixed)


def _one_by_one(
    logits: Logits,
    task: Any,
    prompts: Sequence[Ids],
    lengths: Sequence[int],
    fixed: int | None,
) -> list[list[int]]:
    """All rows in step; a row that has ended is left out of what follows."""
    starts = np.array([len(ids) for ids in prompts])
    width = max(fixed or 0, int((starts + np.array(lengths)).max()))
    # Padding stands behind what is read, where a causal model never looks.
    tokens = np.full((len(prompts), width), PAD, dtype=np.int64)
    for row, ids in zip(tokens, prompts, strict=True):
        row[: len(ids)] = ids
    answers: list[list[int]] = [[] for _ in prompts]
    active: Any = np.flatnonzero(np.array(lengths) > 0)
    done = 0
    while len(active):
        ends = starts[active] + done
        found = logits(tokens[active, : fixed or int(ends.max())])
        chosen = found[np.arange(len(active)), ends - 1].argmax(-1)  # (active,)
        tokens[active, ends] = chosen
        done += 1
        going = []
        for row, token in zip(active.tolist(), chosen.tolist(), strict=True):
            answers[row].append(token)
            if not task.is_end(token) and done < lengths[row]:
                going.append(row)
        active = np.array(going, dtype=np.int64)
    return answers


def _all_at_once(
    logits: Logits,
    task: Any,
    prompts: Sequence[Ids],
    lengths: Sequence[int],
    fixed: int | None,
) -> list[list[int]]:
    """Each token of an answer at the position of its source."""
    answers: list[list[int]] = [[] for _ in prompts]
    # Prompts of one length at a time: a model that looks ahead may look at padding.
    for length in sorted({len(ids) for ids in prompts}):
        rows = [i for i, ids in enumerate(prompts) if len(ids) == length]
        tokens = np.full((len(rows), fixed or length), PAD, dtype=np.int64)
        tokens[:, :length] = [prompts[row] for row in rows]
        chosen = logits(tokens).argmax(-1)
        for place, row in enumerate(rows):
            answers[row] = chosen[place, : lengths[row]].tolist()
    return answers


def sample(
    logits: Logits,
    prompt: Sequence[int],
    count: int,
    window: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    fixed: int | None = None,
) -> list[int]:
    """`count` tokens that go on from a prompt, each drawn from what the model expects.

    Temperature divides the logits: below 1 the likely gets likelier, 0 always takes the
    likeliest. `top_k` leaves the k likeliest only. The model sees the last `window`
    tokens. PAD is never drawn.
    """
    tokens = list(prompt)
    for _ in range(count):
        seen = tokens[-window:]
        row = np.full((1, fixed or len(seen)), PAD, dtype=np.int64)
        row[0, : len(seen)] = seen
        scores = logits(row)[0, len(seen) - 1].astype(np.float64)
        scores[PAD] = -np.inf
        tokens.append(draw(scores, rng, temperature, top_k))
    return tokens[len(prompt) :]


def draw(
    scores: npt.NDArray[np.float64],
    rng: np.random.Generator,
    temperature: float,
    top_k: int | None,
) -> int:
    """An index, drawn with softmax(scores / temperature)."""
    if temperature == 0:
        return int(scores.argmax())
    if top_k is not None and top_k < len(scores):
        least = np.partition(scores, -top_k)[-top_k]
        scores = np.where(scores < least, -np.inf, scores)
    with np.errstate(over="ignore"):  # a temperature near 0: -inf is what is meant
        weights = np.exp((scores - scores.max()) / temperature)
    return int(rng.choice(len(scores), p=weights / weights.sum()))
