"""What may be done to a head while a model runs. The backends apply it at the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Gate: TypeAlias = Literal["uniform", "zero"]
"""- "uniform": the head looks alike at every key that it may attend to;
- "zero": nothing comes out of the head."""

Gates: TypeAlias = Mapping[tuple[str, int], Mapping[int | None, Gate]]
"""(module path, which of its calls) -> head, or None for all of them -> what is done."""


def heads_with(
    gates: Mapping[int | None, Gate], gate: Gate, heads: int
) -> npt.NDArray[np.bool_]:
    """Which of so many heads have this gate; a head's own goes before that of all."""
    common = gates.get(None)
    return np.array([gates.get(head, common) == gate for head in range(heads)])
