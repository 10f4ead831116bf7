"""Numbers that describe a head, from the weights and the rule about masks alone.

Every metric is one function

    function(rows) -> value of each head, float64 (heads,), NaN where undefined

of `Rows`, registered by its `@Metric`; the JSON file and the page list all of them. The
rules that all of them keep (a "row" is one query's distribution):

- rows of padded queries, and rows without any allowed key, are left out;
- cells that are not allowed are never counted, whatever number they hold;
- a head's value is the mean over its rows, then over the batch items that have rows.

n_i is the number of keys that row i may attend to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.allowed import EVERYTHING, Allowed, Bools, Counts, Which

Floats: TypeAlias = npt.NDArray[np.float64]
Weights: TypeAlias = npt.NDArray[np.floating]

CELLS_AT_ONCE = 4_000_000
"""How many weights a metric is given at a time: bounds the float64 copies it makes."""


class Rows:
    """The rows of some heads that share one rule about masks.

    - `clean`: float64 (batch, heads, query, key), 0 wherever attention is not allowed.
    - `allowed`: bool (batch, query, key); `count`: n_i, (batch, query).
    - `counted`: bool (batch, query), the rows that count.
    - `seen`: bool (batch, key), the keys that any query may attend to.
    - `one_sequence`: whether queries and keys are the positions of one sequence.
    """

    def __init__(self, weights: Weights, rule: Allowed, one_sequence: bool):
        self.allowed: Bools = rule.rows()[:, 0]
        self.count: Counts = self.allowed.sum(-1)
        self.seen: Bools = np.asarray(self.allowed.any(-2))
        self.one_sequence = one_sequence
        clean = np.where(self.allowed[:, None], weights, 0.0)
        self.clean: Floats = clean.astype(np.float64, copy=False)
        self.counted: Bools = self.count > 0
        if rule.query_valid is not None:
            self.counted &= rule.query_valid

    @cached_property
    def entropy(self) -> Floats:
        """Entropy of every row in nats, (batch, heads, query)."""
        clean = self.clean
        logs = np.log(clean, where=clean > 0, out=np.zeros_like(clean))
        # 0.0 - x rather than -x: a one-hot row has entropy 0, not -0.
        return np.asarray(0.0 - np.einsum("bhij,bhij->bhi", clean, logs))

    def mean(
        self, values: Floats, also: Bools | None = None, queries: Which = EVERYTHING
    ) -> Floats:
        """`mean_of_rows` of the counted rows; `also`, bool (batch, query), leaves out
        more. The values are those of the chosen `queries`."""
        rows = self.counted[:, queries]
        return mean_of_rows(values, rows if also is None else rows & also)


def mean_of_rows(values: Floats, rows: Bools) -> Floats:
    """Mean of values (batch, heads, query) over the rows (batch, query) of an item, then
    over the items that have any: (heads,), NaN when there is no row at all."""
    count = rows.sum(-1)  # (batch,)
    sums = np.where(rows[:, None], values, 0.0).sum(-1)  # (batch, heads)
    items = count > 0
    if not items.any():
        return np.full(values.shape[1], np.nan)
    return np.asarray((sums[items] / count[items, None]).mean(0))


Function: TypeAlias = Callable[[Rows], Floats]


@dataclass
class Metric:
    """A registered metric: what it is called, what it says, how it is computed.

    `unit` is "nats", "positions" or "" for a share. `one_sequence` is True where the
    metric compares the position of a query with that of a key, which means something
    only when both come from the same sequence; cross-attention then has no value.
    `heading` is what the terminal calls its mean over the heads, "" where it is not shown
    there; `curve` is whether it is drawn over the steps of a training.
    """

    title: str
    unit: str = ""
    one_sequence: bool = False
    heading: str = ""
    curve: bool = False
    function: Function = field(init=False)

    def __call__(self, function: Function) -> Function:
        """Register a function under its own name."""
        self.function = function
        METRICS[self.name] = self
        return function

    @property
    def name(self) -> str:
        """What files call it."""
        return self.function.__name__

    @property
    def doc(self) -> str:
        """Its definition."""
        return (self.function.__doc__ or "").strip()


METRICS: dict[str, Metric] = {}
"""Every metric by name, in the order in which reports list them."""


def measure(
    weights: Weights, allowed: Allowed, one_sequence: bool = True
) -> dict[str, Floats]:
    """Every registered metric: name -> float64 (heads,), NaN where undefined.

    weights: float (batch, heads, query, key).
    """
    batch, heads, queries, keys = weights.shape
    step = max(1, CELLS_AT_ONCE // max(1, batch * queries * keys))
    step = step if allowed.heads == 1 else 1
    values = {name: np.full(heads, np.nan) for name in METRICS}
    for start in range(0, heads, step):
        part = slice(start, start + step)
        rows = Rows(weights[:, part], allowed.head(start), one_sequence)
        for name, each in METRICS.items():
            if one_sequence or not each.one_sequence:
                values[name][part] = each.function(rows)
    return values


@Metric("entropy", "nats", heading="Avg entropy")
def entropy(rows: Rows) -> Floats:
    """H_i = -sum_j A_ij ln A_ij, with 0 ln 0 = 0. Low: the head looks at few keys."""
    return rows.mean(rows.entropy)


@Metric("normalized entropy", curve=True)
def normalized_entropy(rows: Rows) -> Floats:
    """H_i / ln n_i: 0 for one key, 1 for uniform. Rows with n_i = 1 are left out."""
    most = np.log(np.maximum(rows.count, 2))[:, None, :]
    return rows.mean(rows.entropy / most, rows.count > 1)


@Metric("max attention", heading="Avg max attention")
def max_attention(rows: Rows) -> Floats:
    """max_j A_ij: the "confidence" of Voita et al. 2019, over all keys."""
    return rows.mean(rows.clean.max(-1))


@Metric("diagonal mass", one_sequence=True)
def diagonal_mass(rows: Rows) -> Floats:
    """A_ii: the attention that a position pays to itself."""
    return _offset_mass(rows, 0)


@Metric("diagonal strength", one_sequence=True, heading="Diagonal strength")
def diagonal_strength(rows: Rows) -> Floats:
    """A_ii n_i: diagonal mass over the average attention. 1: no preference."""
    size = min(rows.clean.shape[-2:])
    values = np.einsum("bhii->bhi", rows.clean[..., :size, :size])
    part = slice(size)
    return rows.mean(values * rows.count[:, None, :size], queries=part)


@Metric("previous token", one_sequence=True, curve=True)
def previous_token(rows: Rows) -> Floats:
    """A_{i,i-1} over i >= 1: the attention paid to the token before."""
    return _offset_mass(rows, -1)


@Metric("next token", one_sequence=True)
def next_token(rows: Rows) -> Floats:
    """A_{i,i+1} over the rows that have a next token: 0 for a causal head."""
    return _offset_mass(rows, 1)


@Metric("first token", curve=True)
def first_token(rows: Rows) -> Floats:
    """A_{i,0}: the attention sink (Gu et al. 2025). Position 0 is the first key that is
    not padding. Left out are rows that have no other key and, where queries and keys are
    one sequence, the row of the first token itself (so i >= 1)."""
    first = rows.seen.argmax(-1)  # (batch,)
    values = np.take_along_axis(rows.clean, first[:, None, None, None], -1)[..., 0]
    reached = np.take_along_axis(rows.allowed, first[:, None, None], -1)[..., 0]
    others = ~(reached & (rows.count == 1))
    if rows.one_sequence:
        others &= np.arange(others.shape[1]) > first[:, None]
    return rows.mean(values, others)


@Metric("anti-diagonal", one_sequence=True)
def anti_diagonal(rows: Rows) -> Floats:
    """A_{i,T-1-i}: high for a head that reverses. T counts no padding at the ends."""
    clean, seen = rows.clean, rows.seen
    queries, keys = clean.shape[-2:]
    ends = seen.argmax(-1) + keys - 1 - seen[:, ::-1].argmax(-1)
    mirror = ends[:, None] - np.arange(queries)  # (batch, query)
    inside = (mirror >= 0) & (mirror < keys)
    index = np.clip(mirror, 0, keys - 1)[:, None, :, None]
    values = np.take_along_axis(clean, index, axis=-1)[..., 0]
    return rows.mean(values, inside & np.take_along_axis(seen, index[:, 0, :, 0], 1))


@Metric("mean distance", "positions", one_sequence=True)
def mean_distance(rows: Rows) -> Floats:
    """sum_j A_ij |i - j| / sum_j A_ij (Vig & Belinkov 2019)."""
    queries, keys = rows.clean.shape[-2:]
    distance = np.abs(np.arange(queries)[:, None] - np.arange(keys)).astype(np.float64)
    total = rows.clean.sum(-1)
    values = np.einsum("bhij,ij->bhi", rows.clean, distance)
    return rows.mean(values / np.where(total > 0, total, 1.0))


@Metric("Gini")
def gini(rows: Rows) -> Floats:
    """Gini coefficient of a row over its allowed keys: 0 uniform, 1 - 1/n_i for one key.

    With the n weights in rising order x_1 … x_n: sum_k (2k - n - 1) x_k / (n sum_k x_k).
    """
    keys, count = rows.clean.shape[-1], rows.count[:, None, :]
    # Forbidden cells sort first as zeros; the ranks of the others begin after them.
    rank = np.arange(1, keys + 1) - (keys - count)[..., None]
    ordered = np.sort(rows.clean, axis=-1)
    weighted = ((2 * rank - count[..., None] - 1) * ordered).sum(-1)
    total = ordered.sum(-1) * count
    return rows.mean(weighted / np.where(total > 0, total, 1.0))


@Metric("sparsity")
def sparsity(rows: Rows) -> Floats:
    """The share of a row's keys that get less than the average 1 / n_i.

    A weight counts as less only below (1 - 1e-5) / n_i, so that the rounding of float32
    does not make a uniform row sparse.
    """
    count = np.maximum(rows.count, 1)[:, None, :]
    under = (rows.clean < ((1 - 1e-5) / count)[..., None]) & rows.allowed[:, None]
    return rows.mean(under.sum(-1) / count)


def _offset_mass(rows: Rows, offset: int) -> Floats:
    """Mean of A_{i,i+offset} over the rows that have such a key, and no padding there.

    A key that is real but forbidden (the next token of a causal head) counts as mass 0.
    """
    queries, keys = rows.clean.shape[-2:]
    index = np.arange(queries) + offset
    inside = np.flatnonzero((index >= 0) & (index < keys))
    index = index[inside]
    values = rows.clean[:, :, inside, index]
    return rows.mean(values, rows.seen[:, index], inside)
