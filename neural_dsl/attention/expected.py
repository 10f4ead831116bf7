"""How much of its attention a head pays where the task demands it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.allowed import Bools
from neural_dsl.attention.metrics import Floats
from neural_dsl.attention.record import LayerAttention

Known = Iterable[tuple[int, Sequence[int]]]
"""(query position, its key positions), as tasks tell them."""


def expected_cells(known: Known, queries: int, keys: int) -> npt.NDArray[np.bool_]:
    """bool (query, key): what a task tells, as cells; what lies outside is left out."""
    cells = np.zeros((queries, keys), dtype=bool)
    for query, places in known:
        for key in places:
            if 0 <= query < queries and 0 <= key < keys:
                cells[query, key] = True
    return cells


def expected_mass(layer: LayerAttention) -> Floats:
    """The mean attention on the expected cells, (heads,).

    Sum_j E_ij A_ij, averaged over the rows i that expect anything, then over the items
    that have such rows. 1: the head looks nowhere else there. NaN where nothing is
    expected.
    """
    if layer.expected is None or not layer.expected.any():
        return np.full(layer.num_heads, np.nan)
    expected = layer.expected & layer.allowed.rows().any(1)
    weights = layer.weights.astype(np.float64)
    mass = np.einsum("bhij,bij->bhi", weights, expected.astype(np.float64))
    rows: Bools = np.asarray(layer.expected.any(-1))  # (batch, query)
    count = np.asarray(rows.sum(-1))
    items = count > 0
    sums = np.where(rows[:, None], mass, 0.0).sum(-1)
    return np.asarray((sums[items] / count[items, None]).mean(0))


def best_head(layers: Iterable[LayerAttention]) -> tuple[str, int, float] | None:
    """The attention and head with the most mass on the expected cells, and that mass."""
    best: tuple[str, int, float] | None = None
    for layer in layers:
        for head, mass in enumerate(expected_mass(layer)):
            if not np.isnan(mass) and (best is None or mass > best[2]):
                best = (layer.name, head, float(mass))
    return best


def uniform_mass(layer: LayerAttention) -> float:
    """What `expected_mass` is for a head that looks everywhere evenly."""
    allowed = layer.allowed.rows()
    count = layer.allowed.counts()[..., None]
    even = np.where(allowed, 1.0 / np.maximum(count, 1), 0.0)
    return float(expected_mass(replace(layer, weights=even))[0])
