"""Copying a sequence."""

from __future__ import annotations

import numpy as np

from neural_dsl.tasks.sequences import SequenceTask


class Copy(SequenceTask):
    """`dabc:dabc`: the answer is the source."""

    def answer(self, x: np.ndarray) -> np.ndarray:
        """x itself."""
        return x

    def origins(self, x: list[int], k: int) -> tuple[int, ...]:
        """Symbol k is symbol k of the source."""
        return (k,)
