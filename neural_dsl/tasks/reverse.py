"""Reversing a sequence."""

from __future__ import annotations

import numpy as np

from neural_dsl.tasks.sequences import SequenceTask


class Reverse(SequenceTask):
    """`dabc:cbad`: the answer is the source from its end to its beginning."""

    def answer(self, x: np.ndarray) -> np.ndarray:
        """x from right to left."""
        return x[:, ::-1]

    def origins(self, x: list[int], k: int) -> tuple[int, ...]:
        """Symbol k is symbol k of the source, counted from its end."""
        return (len(x) - 1 - k,)
