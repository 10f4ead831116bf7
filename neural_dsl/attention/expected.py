"""How much of its attention a head pays where the task, or what induction heads do
(Olsson et al., 2022), demands it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from neural_dsl.attention.allowed import Bools
from neural_dsl.attention.metrics import Floats, mean_of_rows
from neural_dsl.attention.record import LayerAttention

Known = Iterable[tuple[int, Sequence[int]]]
"""(query position, its key positions), as tasks tell them."""


def expected_cells(known: Known, queries: int, keys: int) -> Bools:
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
    if layer.expected is None:
        return np.full(layer.num_heads, np.nan)
    expected = layer.expected & layer.allowed.rows().any(1)
    weights = layer.weights.astype(np.float64)
    mass = np.einsum("bhij,bij->bhi", weights, expected.astype(np.float64))
    return mean_of_rows(mass, np.asarray(layer.expected.any(-1)))


def best_head(layers: Iterable[LayerAttention]) -> tuple[str, int, float] | None:
    """The attention and head with the most mass on the expected cells, and that mass."""
    masses = (
        (layer.name, head, float(mass))
        for layer in layers
        for head, mass in enumerate(expected_mass(layer))
        if not np.isnan(mass)
    )
    return max(masses, key=lambda found: found[2], default=None)


def uniform_mass(layer: LayerAttention) -> float:
    """What `expected_mass` is for a head that looks everywhere evenly."""
    allowed = layer.allowed.rows()
    count = layer.allowed.counts()[..., None]
    even = np.where(allowed, 1.0 / np.maximum(count, 1), 0.0)
    return float(expected_mass(replace(layer, weights=even))[0])


def induction_cells(tokens: Sequence[str]) -> Bools:
    """bool (query, key): the keys that followed an earlier token like the query's own.

    Cell (i, j) where tok_{j-1} = tok_i and j <= i. In a block of s different tokens that
    is repeated, it is the diagonal j = i + 1 - s.
    """
    row = np.array(list(tokens))
    cells = np.zeros((len(row), len(row)), dtype=bool)
    cells[:, 1:] = row[:, None] == row[None, :-1]
    return np.tril(cells)


def induction_score(layer: LayerAttention) -> Floats:
    """The mean attention on `induction_cells`, (heads,), over the rows that have any.

    NaN where no token comes twice. Raises ValueError for attention without tokens or
    between two sequences.
    """
    if layer.key_tokens is None or layer.kind == "cross":
        raise ValueError(f"{layer.name} does not attend to its own sequence of tokens")
    cells = np.stack([induction_cells(tokens) for tokens in layer.key_tokens])
    return expected_mass(replace(layer, expected=cells))
