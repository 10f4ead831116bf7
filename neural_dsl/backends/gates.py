"""What may be done to a head while a model runs. The backends apply it at the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.allowed import Allowed, Bools
from neural_dsl.attention.scores import Float32, Scores
from neural_dsl.diagnostics import refusal

Named: TypeAlias = Literal["uniform", "zero", "mean"]
Gate: TypeAlias = Named | npt.NDArray[np.floating]
"""- "uniform": the head looks alike at every key that it may attend to;
- "zero": nothing comes out of the head;
- "mean": at every position comes out what does on average over the batch and its valid
  positions (mean ablation; of these very inputs, not of a corpus);
- an array: this comes out, broadcast to (batch, query, size): the head's mean over a
  corpus, or what it gave on other inputs (activation patching).

The kernel is told which keys are valid, not which queries: of self-attention the valid
positions are those that some query may attend to, of cross-attention all of them."""

NAMED = get_args(Named)

HeadGates: TypeAlias = Mapping[int | None, Gate]
Gates: TypeAlias = Mapping[tuple[str, int], HeadGates]
"""(module path, which of its calls) -> head, or None for all of them -> what is done."""


def uniform_heads(gates: HeadGates, heads: int) -> Bools:
    """Which of so many heads look everywhere alike; a head's own gate goes before that
    of all."""
    each = (gates.get(head, gates.get(None)) for head in range(heads))
    return np.array([isinstance(gate, str) and gate == "uniform" for gate in each])


def outputs(gates: HeadGates, scores: Scores) -> tuple[Bools, Float32]:
    """What comes out of the heads in place of their own result: which heads those are,
    (heads,), and values (batch, heads, query, size) that count for them.

    Raises NeuralError NE110 for an array that does not fit.
    """
    context = scores.context()
    values = np.zeros_like(context)
    changed = np.zeros(context.shape[1], dtype=bool)
    for head in range(len(changed)):
        gate = gates.get(head, gates.get(None))
        if isinstance(gate, np.ndarray):
            try:
                values[:, head] = gate
            except ValueError:
                message = f"an array {gate.shape} is no output of a head"
                fits = f"it is broadcast to {values[:, head].shape}"
                raise refusal("NE110", message, help=fits) from None
        elif gate == "mean":
            rows = context[:, head][positions(scores.allowed)]
            values[:, head] = rows.mean(0, dtype=np.float64) if len(rows) else 0.0
        elif gate != "zero":
            continue
        changed[head] = True
    return changed, values


def positions(rule: Allowed) -> Bools:
    """bool (batch, query): the valid ones, as far as a kernel is told."""
    batch, queries, keys = rule.shape
    if queries != keys:
        return np.ones((batch, queries), dtype=bool)
    return np.asarray(rule.seen().any(1))
