"""Numbers that describe a head, from the attention record alone.

Every metric is one function

    metric(weights, allowed, query_valid) -> value of each head

    weights      float   (batch, heads, query, key)
    allowed      bool    (batch, query, key)   where query i may attend to key j
    query_valid  bool    (batch, query)        False where the query is padding
    result       float64 (heads,)              NaN where the metric is undefined

that is registered with `@metric`; the JSON file, the page and the reports list whatever
is registered. The rules that all of them keep (a "row" is one query's distribution):

- rows of padded queries, and rows without any allowed key, are left out;
- cells that are not allowed are never counted, whatever number they hold;
- a head's value is the mean over its rows, then over the batch items that have rows.

n_i is the number of keys that row i may attend to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Weights: TypeAlias = npt.NDArray[np.floating]
Function: TypeAlias = Callable[[Weights, Bools, Bools], Floats]


@dataclass(frozen=True)
class Metric:
    """A registered metric: what it is called, what it says, how it is computed.

    `unit` is "nats", "positions" or "" for a share. `one_sequence` is True where the
    metric compares the position of a query with that of a key, which means something
    only when both come from the same sequence; cross-attention then has no value.
    """

    name: str
    title: str
    doc: str
    unit: str
    one_sequence: bool
    function: Function


METRICS: dict[str, Metric] = {}
"""Every metric by name, in the order in which reports list them."""


def metric(
    title: str, *, unit: str = "", one_sequence: bool = False
) -> Callable[[Function], Function]:
    """Register a function under its own name; `title` is how reports head it."""

    def register(function: Function) -> Function:
        doc = (function.__doc__ or "").strip()
        METRICS[function.__name__] = Metric(
            function.__name__, title, doc, unit, one_sequence, function
        )
        return function

    return register


@metric("entropy", unit="nats")
def entropy(weights: Weights, allowed: Bools, query_valid: Bools) -> Floats:
    """H_i = -sum_j A_ij ln A_ij, with 0 ln 0 = 0. Low: the head looks at few keys."""
    return _mean(_row_entropy(_clean(weights, allowed)), _rows(allowed, query_valid))


@metric("normalized entropy")
def normalized_entropy(weights: Weights, allowed: Bools, query_valid: Bools) -> Floats:
    """H_i / ln n_i: 0 for one key, 1 for uniform. Rows with n_i = 1 are left out."""
    count = allowed.sum(-1)
    most = np.log(np.maximum(count, 2))[:, None, :]
    rows = _rows(allowed, query_valid) & (count > 1)
    return _mean(_row_entropy(_clean(weights, allowed)) / most, rows)


@metric("max attention")
def max_attention(weights: Weights, allowed: Bools, query_valid: Bools) -> Floats:
    """max_j A_ij: the "confidence" of Voita et al. 2019, over all keys."""
    return _mean(_clean(weights, allowed).max(-1), _rows(allowed, query_valid))


@metric("diagonal mass", one_sequence=True)
def diagonal_mass(weights: Weights, allowed: Bools, query_valid: Bools) -> Floats:
    """A_ii: the attention that a position pays to itself."""
    return _offset_mass(weights, allowed, query_valid, 0)


@metric("diagonal strength", one_sequence=True)
def diagonal_strength(weights: Weights, allowed: Bools, query_valid: Bools) -> Floats:
    """A_ii n_i: diagonal mass over the average attention. 1: no preference."""
    clean, rows = _clean(weights, allowed), _rows(allowed, query_valid)
    size = min(clean.shape[-2:])
    values = np.einsum("bhii->bhi", clean[..., :size, :size])
    count = allowed.sum(-1)[:, None, :size]
    return _mean(values * count, rows[:, :size])


@metric("previous token", one_sequence=True)
def previous_token(weights: Weights, allowed: Bools, query_valid: Bools) -> Floats:
    """A_{i,i-1} over i >= 1: the attention paid to the token before."""
    return _offset_mass(weights, allowed, query_valid, -1)


@metric("next token", one_sequence=True)
def next_token(weights: Weights, allowed: Bools, query_valid: Bools) -> Floats:
    """A_{i,i+1} over the rows that have a next token: 0 for a causal head."""
    return _offset_mass(weights, allowed, query_valid, 1)


@metric("first token")
def first_token(weights: Weights, allowed: Bools, query_valid: Bools) -> Floats:
    """A_{i,0} over i >= 1: the attention sink (Gu et al. 2025). Position 0 is the first
    key that is not padding."""
    clean, rows = _clean(weights, allowed), _rows(allowed, query_valid)
    first = allowed.any(1).argmax(-1)  # (batch,)
    values = np.take_along_axis(clean, first[:, None, None, None], axis=-1)[..., 0]
    return _mean(values, rows & (np.arange(rows.shape[1]) > first[:, None]))


@metric("anti-diagonal", one_sequence=True)
def anti_diagonal(weights: Weights, allowed: Bools, query_valid: Bools) -> Floats:
    """A_{i,T-1-i}: high for a head that reverses. T counts no padding at the ends."""
    clean, rows = _clean(weights, allowed), _rows(allowed, query_valid)
    keys = clean.shape[-1]
    valid: Bools = np.asarray(allowed.any(1))  # (batch, key)
    ends = valid.argmax(-1) + keys - 1 - valid[:, ::-1].argmax(-1)
    mirror = ends[:, None] - np.arange(rows.shape[1])  # (batch, query)
    inside = (mirror >= 0) & (mirror < keys)
    index = np.clip(mirror, 0, keys - 1)[:, None, :, None]
    values = np.take_along_axis(clean, index, axis=-1)[..., 0]
    return _mean(
        values, rows & inside & np.take_along_axis(valid, index[:, 0, :, 0], 1)
    )


@metric("mean distance", unit="positions", one_sequence=True)
def mean_distance(weights: Weights, allowed: Bools, query_valid: Bools) -> Floats:
    """sum_j A_ij |i - j| / sum_j A_ij (Vig & Belinkov 2019)."""
    clean, rows = _clean(weights, allowed), _rows(allowed, query_valid)
    queries, keys = clean.shape[-2:]
    distance = np.abs(np.arange(queries)[:, None] - np.arange(keys)).astype(np.float64)
    total = clean.sum(-1)
    values = np.einsum("bhij,ij->bhi", clean, distance)
    return _mean(values / np.where(total > 0, total, 1.0), rows)


@metric("Gini")
def gini(weights: Weights, allowed: Bools, query_valid: Bools) -> Floats:
    """Gini coefficient of a row over its allowed keys: 0 uniform, 1 - 1/n_i for one key.

    With the n weights in rising order x_1 … x_n: sum_k (2k - n - 1) x_k / (n sum_k x_k).
    """
    clean, rows = _clean(weights, allowed), _rows(allowed, query_valid)
    keys, count = clean.shape[-1], allowed.sum(-1)[:, None, :]
    # Forbidden cells sort first as zeros; the ranks of the others begin after them.
    rank = np.arange(1, keys + 1) - (keys - count)[..., None]
    ordered = np.sort(clean, axis=-1)
    weighted = ((2 * rank - count[..., None] - 1) * ordered).sum(-1)
    total = ordered.sum(-1) * count
    return _mean(weighted / np.where(total > 0, total, 1.0), rows)


@metric("sparsity")
def sparsity(weights: Weights, allowed: Bools, query_valid: Bools) -> Floats:
    """The share of a row's keys that get less than the average 1 / n_i.

    A weight counts as less only below (1 - 1e-5) / n_i, so that the rounding of float32
    does not make a uniform row sparse.
    """
    clean, rows = _clean(weights, allowed), _rows(allowed, query_valid)
    count = np.maximum(allowed.sum(-1), 1)[:, None, :]
    under = (clean < ((1 - 1e-5) / count)[..., None]) & allowed[:, None]
    return _mean(under.sum(-1) / count, rows)


def _clean(weights: Weights, allowed: Bools) -> Floats:
    """Weights in float64 (B, H, Q, K), 0 wherever attention is not allowed."""
    return np.where(allowed[:, None], weights, 0.0).astype(np.float64, copy=False)


def _rows(allowed: Bools, query_valid: Bools) -> Bools:
    """The rows that count, bool (B, Q)."""
    return query_valid & allowed.any(-1)


def _row_entropy(clean: Floats) -> Floats:
    """Entropy of every row in nats, (B, H, Q)."""
    logs = np.log(clean, where=clean > 0, out=np.zeros_like(clean))
    # 0.0 - x rather than -x: a one-hot row has entropy 0, not -0.
    return np.asarray(0.0 - np.einsum("bhij,bhij->bhi", clean, logs))


def _offset_mass(
    weights: Weights, allowed: Bools, query_valid: Bools, offset: int
) -> Floats:
    """Mean of A_{i,i+offset} over the rows that have such a key, and no padding there.

    A key that is real but forbidden (the next token of a causal head) counts as mass 0.
    """
    clean, rows = _clean(weights, allowed), _rows(allowed, query_valid)
    queries, keys = clean.shape[-2:]
    index = np.arange(queries) + offset
    inside = (index >= 0) & (index < keys)
    values = clean[:, :, np.flatnonzero(inside), index[inside]]
    valid: Bools = np.asarray(allowed.any(1))  # (batch, key)
    return _mean(values, rows[:, inside] & valid[:, index[inside]])


def _mean(values: Floats, rows: Bools) -> Floats:
    """Mean over the counted rows of an item, then over the items that have any.

    values: (B, H, Q), rows: (B, Q); result (H,), NaN when no row counts at all.
    """
    count = rows.sum(-1)  # (B,)
    sums = np.where(rows[:, None], values, 0.0).sum(-1)  # (B, H)
    items = count > 0
    if not items.any():
        return np.full(values.shape[1], np.nan)
    return np.asarray((sums[items] / count[items, None]).mean(0))
