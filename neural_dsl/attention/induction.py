"""How much a head does what an induction head does (Olsson et al., 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.expected import expected_mass
from neural_dsl.attention.metrics import Floats
from neural_dsl.attention.record import LayerAttention


def induction_cells(tokens: Sequence[str]) -> npt.NDArray[np.bool_]:
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
