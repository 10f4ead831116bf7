"""Sorting a sequence."""

from __future__ import annotations

import numpy as np

from neural_dsl.tasks.sequences import SequenceTask


class Sort(SequenceTask):
    """`dabc:abcd`: the answer holds the source's symbols in ascending order."""

    def answer(self, x: np.ndarray) -> np.ndarray:
        """x in ascending order; padding is 0 and comes first, where it does no harm."""
        return np.sort(x, axis=1)

    def origins(self, x: list[int], k: int) -> tuple[int, ...]:
        """Symbol k is the k-th smallest; equal symbols serve equally well."""
        wanted = sorted(x)[k]
        return tuple(place for place, symbol in enumerate(x) if symbol == wanted)
