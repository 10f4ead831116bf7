"""Writing a sequence twice."""

from __future__ import annotations

import numpy as np

from neural_dsl.tasks.sequences import SequenceTask


class Double(SequenceTask):
    """`abc:abcabc`: the answer is the source, twice."""

    answer_factor = 2

    def __init__(
        self,
        length: int | tuple[int, int] = 8,
        vocabulary: int = 20,
        unique: bool = False,
        framing: bool = False,
        **sizes: int,
    ):
        super().__init__(length, vocabulary, unique, framing, "sequence", **sizes)

    def answer(self, x: np.ndarray) -> np.ndarray:
        """x and x again."""
        return np.concatenate([x, x], axis=1)

    def origins(self, x: list[int], k: int) -> tuple[int, ...]:
        """Symbol k is symbol k of the source, where counting starts anew at its end."""
        return (k % len(x),)
