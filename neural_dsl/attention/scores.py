"""The scores of one attention, as a model computed them: asked for what one needs.

A `Scores` keeps queries, keys, mask and scale where the model left them, on its device.
Weights are worked out a block of rows at a time; the whole T × T matrix stands in memory
only where someone asks for `dense`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.allowed import EVERYTHING, Allowed, Which
from neural_dsl.diagnostics import refusal

Float32 = npt.NDArray[np.float32]

BLOCK = 2**24
"""Weights that are worked out together: 64 MiB in float32."""

DENSE_LIMIT = 2**33
"""Bytes that `dense` takes at most, unless the caller knows better: 8 GiB."""


class Scores(ABC):
    """One attention over a batch. A_ij is its weight: softmax of its scores over the keys
    that query i may attend to, 0 elsewhere; a row without any such key is all 0.

    `allowed` says which those are; `shape` is (batch, heads, query, key); `precision` is
    the relative one of the numbers that the model computes with. All arrays are float32.
    """

    shape: tuple[int, int, int, int]
    precision: float = 2.0**-23
    _rule: Allowed | None = None
    _whole: Float32 | None = None

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

    @abstractmethod
    def values(self) -> Float32:
        """What the weights are applied to: (batch, heads or fewer, key, size)."""

    @abstractmethod
    def context(self) -> Float32:
        """What the model itself made of weights and values: (batch, heads, query, size).
        `attention.check` compares it with A @ values."""

    @abstractmethod
    def _told(self) -> Allowed:
        """Which keys the model's own kernel lets each query attend to."""

    @abstractmethod
    def _weights(self, queries: Which) -> Float32:
        """The weights of these queries."""

    @abstractmethod
    def _lse(self, queries: Which) -> Float32:
        """ln sum exp of the scores of these queries."""

    def lse(self) -> Float32:
        """ln sum_j exp(score_ij): (batch, heads, query), -inf for a row without keys."""
        return np.concatenate([self._lse(part) for part in self._parts()], axis=2)

    def expect(self, columns: npt.NDArray[np.floating]) -> Float32:
        """A @ columns: (batch, heads, query, c) of (batch, 1 or any divisor of heads,
        key, c). Grouped columns belong to as many neighbouring heads each."""
        blocks = [self.mix(weights, columns) for _, weights in self.chunks()]
        return np.concatenate(blocks, axis=2)

    def mix(self, weights: Float32, columns: npt.NDArray[np.floating]) -> Float32:
        """`expect` for rows of weights that one has already."""
        return np.asarray(mixed(weights, columns))

    def rows(self, queries: Which) -> Float32:
        """The weights of the chosen queries, (batch, heads, chosen, key)."""
        if self._whole is not None:
            return np.asarray(self._whole[:, :, queries])
        return self._weights(queries)

    def chunks(self, queries: int | None = None) -> Iterator[tuple[slice, Float32]]:
        """All rows in order, so many at a time (None: as many as make a good block)."""
        for part in self._parts(queries):
            yield part, self.rows(part)

    def dense(self, limit: int = DENSE_LIMIT) -> Float32:
        """All weights, (batch, heads, query, key). They are kept: what is asked for
        afterwards is read from here. Raises NeuralError NE108 where they take more bytes
        than `limit`."""
        if self._whole is None:
            refuse_beyond(self.shape, limit)
            blocks = [weights for _, weights in self.chunks()]
            self._whole = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, 2)
        return self._whole

    def _parts(self, queries: int | None = None) -> list[slice]:
        batch, heads, length, keys = self.shape
        step = queries or max(1, BLOCK // max(1, batch * heads * keys))
        if step >= length:
            return [EVERYTHING]
        return [slice(start, start + step) for start in range(0, length, step)]


class ArrayScores(Scores):
    """The reference, in NumPy and float64: softmax(Q K^T · scale + bias).

    query (B, H, Q, d); key, value (B, H or fewer, K, …); `allowed` with shape (B, Q, K);
    bias broadcasts to (B, H, Q, K); scale is 1 / sqrt(d) unless given. The context is
    A @ values, unless what a model made of them is given.
    """

    def __init__(
        self,
        query: npt.NDArray[np.floating],
        key: npt.NDArray[np.floating],
        value: npt.NDArray[np.floating],
        allowed: Allowed,
        *,
        scale: float | None = None,
        bias: npt.NDArray[np.floating] | None = None,
        context: npt.NDArray[np.floating] | None = None,
    ):
        batch, heads, queries, size = query.shape
        self.shape = (batch, heads, queries, key.shape[2])
        self.given = allowed
        self.query = query.astype(np.float64) * (scale or size**-0.5)
        self.key = key.astype(np.float64)
        self.bias = None if bias is None else np.broadcast_to(bias, self.shape)
        self.value, self.made = value, context

    def _told(self) -> Allowed:
        return self.given

    def _scores(self, queries: Which) -> npt.NDArray[np.float64]:
        scores = mixed(self.query[:, :, queries], self.key.swapaxes(2, 3))
        if self.bias is not None:
            scores = scores + self.bias[:, :, queries]
        return np.where(self.allowed.rows(queries), scores, -np.inf)

    def _weights(self, queries: Which) -> Float32:
        scores = self._scores(queries)
        top = scores.max(-1, keepdims=True)
        powers = np.exp(scores - np.where(np.isfinite(top), top, 0.0))
        total = powers.sum(-1, keepdims=True)
        weights = np.divide(powers, total, out=np.zeros_like(powers), where=total > 0)
        return np.asarray(weights, dtype=np.float32)

    def _lse(self, queries: Which) -> Float32:
        scores = self._scores(queries)
        return np.asarray(np.logaddexp.reduce(scores, axis=-1), dtype=np.float32)

    def values(self) -> Float32:
        """See `Scores`."""
        return self.value.astype(np.float32)

    def context(self) -> Float32:
        """See `Scores`."""
        made = self.expect(self.value) if self.made is None else self.made
        return made.astype(np.float32)


def mixed(weights: Any, columns: Any) -> Any:
    """weights (B, H, Q, K) @ columns (B, G, K, c) -> (B, H, Q, c), where each of the G
    groups belongs to H / G neighbouring heads; nothing is expanded. NumPy or torch."""
    batch, heads, queries, keys = weights.shape
    groups = columns.shape[1]
    if groups == heads:
        return weights @ columns
    folded = weights.reshape(batch, groups, heads // groups * queries, keys)
    return (folded @ columns).reshape(batch, heads, queries, -1)


def refuse_beyond(shape: tuple[int, ...], limit: int) -> None:
    """Raise NE108 where an array of float32 takes more bytes than `limit`."""
    needed = 4 * prod(shape)
    if needed > limit:
        raise refusal(
            "NE108",
            f"all weights of this attention, {' x '.join(map(str, shape))}, take "
            f"{needed / 2**30:.1f} GiB, and {limit / 2**30:.1f} GiB may be used",
            help="ask for fewer tokens, fewer batch items, or single rows",
        )
