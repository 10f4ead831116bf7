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
    ids = greedy_ids(logits, task, prompts, fixed)
    return [task.decode(answer) for answer in ids]


def greedy_ids(
    logits: Logits, task: Any, prompts: Sequence[str], fixed: int | None = None
) -> list[list[int]]:
    """The same as lists of ids, END included where the task has one."""
    encoded = [np.asarray(task.encode(prompt), dtype=np.int64) for prompt in prompts]
    lengths = [task.answer_length(prompt) for prompt in prompts]
    if not encoded:
        return []
    if not task.causal:
        return _aligned(logits, encoded, lengths, fixed)
    starts = np.array([len(ids) for ids in encoded])
    longest = int((starts + np.array(lengths)).max()) - 1
    width = fixed or max(longest, int(starts.max()))
    # Padding stands behind what is read, where a causal model never looks.
    tokens = np.full((len(encoded), max(width, longest + 1)), PAD, dtype=np.int64)
    for row, ids in zip(tokens, encoded, strict=True):
        row[: len(ids)] = ids
    answers: list[list[int]] = [[] for _ in encoded]
    open_rows = np.array([length > 0 for length in lengths])
    rows = np.arange(len(encoded))
    for done in range(max(lengths)):
        if not open_rows.any():
            break
        used = fixed or int((starts + done)[open_rows].max())
        active = rows[open_rows]
        found = logits(tokens[active, :used])
        chosen = found[np.arange(len(active)), starts[active] + done - 1].argmax(-1)
        for row, token in zip(active, chosen.tolist(), strict=True):
            answers[row].append(token)
            tokens[row, starts[row] + done] = token
            ended = task.is_end(token) or len(answers[row]) == lengths[row]
            open_rows[row] = not ended
    return answers


def _aligned(
    logits: Logits, encoded: list[Ids], lengths: list[int], fixed: int | None
) -> list[list[int]]:
    """All tokens of an answer at once, each at the position of its source."""
    width = fixed or max(len(ids) for ids in encoded)
    answers: list[list[int]] = [[] for _ in encoded]
    # Prompts of other lengths are read apart: padding may be seen by such a model.
    for length in sorted({len(ids) for ids in encoded}):
        rows = [i for i, ids in enumerate(encoded) if len(ids) == length]
        tokens = np.zeros((len(rows), (fixed and width) or length), dtype=np.int64)
        for place, row in enumerate(rows):
            tokens[place, :length] = encoded[row]
        chosen = logits(tokens).argmax(-1)
        for place, row in enumerate(rows):
            answers[row] = chosen[place, : lengths[row]].tolist()
    return answers
