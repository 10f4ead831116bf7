"""The scores of one attention, as a model computed them: asked for what one needs.

A `Scores` keeps queries, keys, mask and scale where the model left them, on its device.
Weights are worked out a block of rows at a time; the whole T × T matrix stands in memory
only where someone asks for `dense`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import inf, prod
from operator import matmul
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.allowed import (
    EVERYTHING,
    Allowed,
    Bools,
    Which,
    depth,
    from_cells,
)
from neural_dsl.diagnostics import refusal

Float32 = npt.NDArray[np.float32]
Function: TypeAlias = Callable[..., Any]

BLOCK = 2**24
"""Weights that are worked out together: 64 MiB in float32."""

DENSE_LIMIT = 2**33
"""Bytes that `dense` takes at most, unless the caller knows better: 8 GiB."""

LOWEST = float(np.finfo(np.float32).min)
PRECISIONS = {"float": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


def softmax(scores: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Over the last axis; NaN for a row of nothing but -inf."""
    with np.errstate(invalid="ignore"):
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        return np.asarray(powers / powers.sum(-1, keepdims=True))


class Scores:
    """One attention over a batch: A = softmax(Q K^T · scale + bias) over the keys that
    each query may attend to, 0 elsewhere. A row without any such key is all 0, or looks
    at all keys alike where the model `spreads` such rows.

    query (B, H, Q, d); key, value (B, H or fewer, K, …); context (B, H, Q, size), what
    the model itself made of A and the values (None: A @ values); `mask` (boolean) and
    `bias` broadcast to (B, H, Q, K); scale is 1 / sqrt(d) unless given. `given`, (B, H,
    Q, K), are the scores themselves, of layers that have a formula of their own.

    `shape` is (batch, heads, query, key); `precision` is the relative one of the numbers
    that the model computes with. What is asked for comes as float32. The last functions
    here are those of a framework: NumPy's, in float64, or a backend's own.
    """

    _rule: Allowed | None = None
    _whole: Float32 | None = None

    def __init__(
        self,
        query: Any,
        key: Any,
        value: Any,
        context: Any = None,
        *,
        mask: Any = None,
        bias: Any = None,
        scale: float | None = None,
        causal: bool = False,
        given: Any = None,
        spreads: bool = False,
    ):
        if given is None:
            self.query, self.key = self.numbers(query), self.numbers(key)
            batch, heads, queries, size = self.query.shape
            self.shape = (batch, heads, queries, self.key.shape[2])
            self.scale = size**-0.5 if scale is None else scale
        else:
            self.shape = tuple(given.shape)
        self.value, self.made, self.given = value, context, given
        self.mask = mask
        self.bias = None if bias is None else self.numbers(bias)
        self.causal, self.spreads = causal, spreads
        kind = f"{(value if context is None else context).dtype}"
        self.precision = max(p for name, p in PRECISIONS.items() if name in kind)

    @property
    def allowed(self) -> Allowed:
        """Which keys each query may attend to: as the kernel was told, unless a target
        knows better."""
        if self._rule is None:
            self._rule = self._told()
        return self._rule

    @allowed.setter
    def allowed(self, rule: Allowed) -> None:
        self._rule = rule

    def _told(self) -> Allowed:
        batch, _, queries, keys = self.shape
        rule = Allowed((batch, queries, keys), causal=self.causal)
        if self.mask is not None:
            rule &= from_cells(self.array(self.mask) != 0, rule.shape)
        if self.bias is not None:
            bias = self.array(self.bias)
            if not rule.everywhere:
                bias = np.where(rule.rows(), bias, np.float32(-inf))
            ends = self.array(self.query), self.array(self.key)
            rule = from_cells(visible(bias, *ends, self.scale), rule.shape)
        if self.spreads and not rule.everywhere:
            seen = rule.rows()
            rule = from_cells(seen | ~seen.any(-1, keepdims=True), rule.shape)
        return rule

    def values(self) -> Float32:
        """What the weights are applied to: (batch, heads or fewer, key, size)."""
        return self.array(self.value)

    def context(self) -> Float32:
        """What the model itself made of weights and values: (batch, heads, query, size).
        `attention.check` compares it with A @ values."""
        return self.expect(self.value) if self.made is None else self.array(self.made)

    def lse(self) -> Float32:
        """ln sum_j exp(score_ij): (batch, heads, query), -inf for a row without keys."""
        parts = (self.log_sum(self._scores(part)) for part in self._parts())
        return np.concatenate([self.array(part) for part in parts], axis=2)

    def expect(self, columns: npt.NDArray[np.floating]) -> Float32:
        """A @ columns: (batch, heads, query, c) of (batch, 1 or any divisor of heads,
        key, c). Grouped columns belong to as many neighbouring heads each."""
        blocks = [self.mix(weights, columns) for _, weights in self.chunks()]
        return np.concatenate(blocks, axis=2)

    def mix(self, weights: Float32, columns: npt.NDArray[np.floating]) -> Float32:
        """`expect` for rows of weights that one has already."""
        return np.asarray(mixed(weights, columns), dtype=np.float32)

    def rows(self, queries: Which) -> Float32:
        """The weights of the chosen queries, (batch, heads, chosen, key)."""
        if self._whole is not None:
            return np.asarray(self._whole[:, :, queries])
        scores = self._scores(queries)
        weights = self.softmax(scores)
        if (self.mask is not None or self.bias is not None) and not self.spreads:
            # Only a row without any key is NaN from the start (0 / 0).
            weights = self.hide(weights, self.highest(scores) > -inf, 0.0)
        return self.array(weights)

    def chunks(self, queries: int | None = None) -> Iterator[tuple[slice, Float32]]:
        """All rows in order, so many at a time (None: as many as make a good block)."""
        for part in self._parts(queries):
            yield part, self.rows(part)

    def dense(self, limit: int = DENSE_LIMIT) -> Float32:
        """All weights, (batch, heads, query, key). They are kept: what is asked for
        afterwards is read from here. Raises NeuralError NE108 where they take more bytes
        than `limit`."""
        if self._whole is None:
            needed = 4 * prod(self.shape)
            if needed > limit:
                raise refusal(
                    "NE108",
                    "all weights of this attention, "
                    f"{' x '.join(map(str, self.shape))}, take {needed / 2**30:.1f} "
                    f"GiB, and {limit / 2**30:.1f} GiB may be used",
                    help="ask for fewer tokens, fewer batch items, or single rows",
                )
            blocks = [weights for _, weights in self.chunks()]
            self._whole = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, 2)
        return self._whole

    def _parts(self, queries: int | None = None) -> list[slice]:
        batch, heads, length, keys = self.shape
        step = queries or max(1, BLOCK // max(1, batch * heads * keys))
        if step >= length:
            return [EVERYTHING]
        return [slice(start, start + step) for start in range(0, length, step)]

    def _scores(self, queries: Which) -> Any:
        """Scores of the chosen rows, (B, H, q, K), `low` where nothing may be seen."""
        # Where rows spread, 0 / 0 must not come of one without any key.
        low = LOWEST if self.spreads else -inf
        if self.given is not None:
            scores = self.numbers(self._rows(self.given, queries))
        else:
            query = self._rows(self.query, queries) * self.scale
            scores = mixed(query, self.key, self.reshape, self.against)
        if self.bias is not None:
            scores += self._rows(self.bias, queries)
        if self.mask is not None:
            scores = self.hide(scores, self._rows(self.mask, queries), low)
        if self.causal:
            place = np.arange(self.shape[2])[queries][:, None]
            scores = self.hide(scores, np.arange(self.shape[3]) <= place, low)
        return scores

    def _rows(self, tensor: Any, queries: Which) -> Any:
        """The chosen rows along the last axis but one, if it has more than one."""
        if len(tensor.shape) < 2 or tensor.shape[-2] == 1 or queries is EVERYTHING:
            return tensor
        return self.take(tensor, queries)

    # What a backend does in its own way, on its own tensors.

    array: Callable[[Any], Float32] = staticmethod(
        partial(np.asarray, dtype=np.float32)
    )
    """Off the device, in float32."""
    numbers: Function = staticmethod(partial(np.asarray, dtype=np.float64))
    """Exact enough for sums of exponentials, and apart from gradients."""
    softmax: Function = staticmethod(softmax)
    log_sum: Function = staticmethod(partial(np.logaddexp.reduce, axis=-1))
    highest: Function = staticmethod(partial(np.max, axis=-1, keepdims=True))
    reshape: Function = staticmethod(np.reshape)
    swap: Function = staticmethod(np.swapaxes)

    @classmethod
    def against(cls, query: Any, key: Any) -> Any:
        """query @ the keys transposed."""
        return query @ cls.swap(key, -1, -2)

    @staticmethod
    def take(tensor: Any, queries: Which) -> Any:
        """The chosen places along the last axis but one."""
        return tensor[..., queries, :]

    @staticmethod
    def hide(tensor: Any, seen: Any, low: float) -> Any:
        """The tensor, or what is made of it in its place, with `low` where not seen."""
        return np.where(seen, tensor, low)

    @staticmethod
    def where(cells: Bools, values: Any, tensor: Any) -> Any:
        """The tensor with the values at these cells, of its own type."""
        return np.where(cells, values, tensor).astype(tensor.dtype)


def mixed(
    weights: Any,
    columns: Any,
    reshape: Function = np.reshape,
    product: Function = matmul,
) -> Any:
    """weights (B, H, Q, K) @ columns (B, G, K, c) -> (B, H, Q, c), where each of the G
    groups belongs to H / G neighbouring heads; nothing is expanded. Any framework's."""
    batch, heads, queries, keys = weights.shape
    groups = columns.shape[1]
    if groups == heads:
        return product(weights, columns)
    folded = reshape(weights, (batch, groups, heads // groups * queries, keys))
    return reshape(product(folded, columns), (batch, heads, queries, -1))


def visible(bias: Float32, query: Float32, key: Float32, scale: float) -> Bools:
    """Where an added mask lets these queries look at these keys, as `allowed.depth` says:
    bool, of the mask's shape."""
    # Cauchy and Schwarz: |q · k| is at most |q| |k|.
    longest, farthest = (np.linalg.norm(each, axis=-1).max() for each in (query, key))
    lift = 2 * float(longest) * float(farthest) * abs(scale)
    highest = bias.max(-1, keepdims=True)
    return np.asarray((bias > -inf) & (bias >= highest - depth(lift)))
