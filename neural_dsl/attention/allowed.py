"""What each query of an attention may look at: the one rule about masks.

Capture, metrics, pictures and page all ask here. A rule is kept, not its T × T cells:
those are made for the rows or the tile that someone asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bools: TypeAlias = npt.NDArray[np.bool_]
Counts: TypeAlias = npt.NDArray[np.int64]
Which: TypeAlias = "slice | npt.NDArray[np.integer]"

EVERYTHING = slice(None)
ROWS_AT_ONCE = 256
"""Rows of a dense mask that are looked at together."""


def depth(lift: float) -> float:
    """How far below the highest of its row a number in an added mask hides a key.

    Where no two scores of a query are further apart than `lift`, such a key's weight is
    exactly 0: float32 has nothing for exp(-110). The least is 5,000, which tells masks
    from biases: masks in use are -1e4 (of old code for 16 bits), -1e9, the lowest number
    and -inf, while ALiBi's steepest slope, 1/2, is as low only 10,000 keys away. In a row
    of nothing but low numbers the highest of them are seen, as softmax sees them.
    """
    return max(5000.0, lift + 110.0)


@dataclass(frozen=True)
class Allowed:
    """Query i may attend to key j where every one of these rules says so.

    - `shape`: (batch, queries, keys).
    - `causal`: only keys at or before the query's own place, j <= i + `offset`.
    - `window`: only keys nearer than this, |i + offset - j| < window.
    - `offset`: the place of query 0 among the keys (not 0 behind a cache of keys).
    - `key_valid`: bool (batch, key), False for padding, None when all are valid.
    - `dense`: bool (batch or 1, heads or 1, query, key), any other rule.

    `query_valid`, bool (batch, query), hides nothing: padded queries attend like all
    others. It says whose rows the metrics leave out. Arrays are shown read-only.
    """

    shape: tuple[int, int, int]
    causal: bool = False
    window: int | None = None
    offset: int = 0
    key_valid: Bools | None = None
    query_valid: Bools | None = None
    dense: Bools | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for masks of another shape; show them read-only."""
        batch, queries, keys = self.shape
        wanted: dict[str, list[tuple[int, ...]]] = {
            "key_valid": [(batch, keys)],
            "query_valid": [(batch, queries)],
            "dense": [(b, self.heads, queries, keys) for b in (batch, 1)],
        }
        for name, shapes in wanted.items():
            mask = getattr(self, name)
            if mask is None:
                continue
            if mask.shape not in shapes:
                raise ValueError(f"the mask {name} is {mask.shape}, not {shapes[0]}")
            view = np.asarray(mask, dtype=bool).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    @property
    def heads(self) -> int:
        """1 where all heads share the rule, else their number."""
        return 1 if self.dense is None else self.dense.shape[1]

    @property
    def everywhere(self) -> bool:
        """Whether no rule hides anything."""
        rules = (self.window, self.key_valid, self.dense)
        return not self.causal and all(rule is None for rule in rules)

    def __and__(self, other: Allowed) -> Allowed:
        """Where both allow it. Raises ValueError for two shapes or two offsets."""
        placed = [one for one in (self, other) if one.causal or one.window is not None]
        offsets = {one.offset for one in placed} or {0}
        if self.shape != other.shape or len(offsets) > 1:
            raise ValueError("masks of different shapes or offsets cannot be combined")
        return Allowed(
            self.shape,
            self.causal or other.causal,
            min(filter(None, (self.window, other.window)), default=None),
            offsets.pop(),
            _both(self.key_valid, other.key_valid),
            _both(self.query_valid, other.query_valid),
            _both(self.dense, other.dense),
        )

    def rows(self, queries: Which = EVERYTHING, keys: Which = EVERYTHING) -> Bools:
        """bool (batch, heads or 1, chosen queries, chosen keys)."""
        batch, most, width = self.shape
        place = np.arange(most)[queries][:, None] + self.offset
        key = np.arange(width)[keys]
        shared = np.ones((len(place), len(key)), dtype=bool)
        if self.causal:
            shared &= key <= place
        if self.window is not None:
            shared &= np.abs(place - key) < self.window
        result = np.broadcast_to(shared, (batch, self.heads, *shared.shape))
        if self.key_valid is not None:
            result = result & self.key_valid[:, None, None, keys]
        if self.dense is not None:
            result = result & self.dense[:, :, queries][..., keys]
        return result

    def tile(self, item: int, head: int | None = None) -> Bools:
        """bool (query, key) of one batch item, and of one head; of any head for None."""
        one = self.item(item).rows()[0]
        return np.asarray(
            one.any(0) if head is None else one[head if self.heads > 1 else 0]
        )

    def item(self, item: int) -> Allowed:
        """The rule for one batch item alone."""
        names = ("key_valid", "query_valid", "dense")
        arrays = {name: getattr(self, name) for name in names}
        parts = {
            name: array if array is None or len(array) == 1 else array[[item]]
            for name, array in arrays.items()
        }
        return replace(self, shape=(1, *self.shape[1:]), **parts)

    def head(self, head: int) -> Allowed:
        """The rule for one head alone."""
        if self.heads == 1:
            return self
        assert self.dense is not None
        return replace(self, dense=self.dense[:, head : head + 1])

    def counts(self) -> Counts:
        """n_i, the number of keys of each query: (batch, heads or 1, query)."""
        if self.dense is not None:
            return np.concatenate([rows.sum(-1) for rows in self._blocks()], axis=-1)
        batch, queries, keys = self.shape
        low, high = self._reach()
        valid = np.ones((1, keys), bool) if self.key_valid is None else self.key_valid
        before = np.pad(valid.cumsum(axis=1, dtype=np.int64), ((0, 0), (1, 0)))
        count = before[:, high] - before[:, low]
        return np.broadcast_to(count[:, None], (batch, 1, queries))

    def seen(self) -> Bools:
        """The keys that any query may attend to: bool (batch, heads or 1, key)."""
        if self.dense is not None:
            return np.asarray(np.any([rows.any(-2) for rows in self._blocks()], axis=0))
        batch, _, keys = self.shape
        low, high = self._reach()  # both move on by at most one key a query
        key = np.arange(keys)
        reached = np.broadcast_to((low[0] <= key) & (key < high[-1]), (batch, keys))
        if self.key_valid is not None:
            reached = reached & self.key_valid
        return reached[:, None]

    def _reach(self) -> tuple[Counts, Counts]:
        """Each query's keys by causality and window: from, and up to but not with."""
        _, queries, keys = self.shape
        place = np.arange(queries) + self.offset
        low = np.zeros(queries, dtype=np.int64)
        high = np.full(queries, keys, dtype=np.int64)
        if self.causal:
            high = np.clip(place + 1, 0, keys)
        if self.window is not None:
            low = np.clip(place - self.window + 1, 0, keys)
            high = np.clip(np.minimum(high, place + self.window), 0, keys)
        return np.minimum(low, high), high

    def _blocks(self) -> list[Bools]:
        """All rows, a few at a time."""
        starts = range(0, self.shape[1], ROWS_AT_ONCE)
        return [self.rows(slice(start, start + ROWS_AT_ONCE)) for start in starts]


def from_cells(cells: Bools, shape: tuple[int, int, int]) -> Allowed:
    """The plainest rule that a mask of cells, bool (batch or 1, heads or 1, query or 1,
    key) or its last axes, says: valid keys and causality where that is all there is to
    it, else dense."""
    batch, queries, keys = shape
    cells = cells.reshape((1,) * (4 - cells.ndim) + cells.shape)
    cells = np.broadcast_to(cells, (*cells.shape[:2], queries, keys))
    seen = np.asarray(cells.any(2))  # (batch or 1, heads or 1, key)
    valid = np.broadcast_to(seen[:, 0], (batch, keys))
    key_valid = None if valid.all() else valid
    if (seen == seen[:, :1]).all():
        for causal in (False, True):
            rule = Allowed(shape, causal, key_valid=key_valid)
            if (cells == rule.rows()[: len(cells)]).all():
                return rule
    return Allowed(shape, dense=cells)


def _both(one: Bools | None, other: Bools | None) -> Bools | None:
    """Both masks at once, of which either may be missing."""
    if one is None or other is None:
        return other if one is None else one
    return one & other
