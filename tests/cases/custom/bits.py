"""Bits, and after each whether there were an odd number of ones so far."""

from __future__ import annotations

from functools import partial as bound

import numpy as np

from neural_dsl.tasks.base import IGNORED, Split, Task

LENGTH = 6
powers = bound(np.left_shift, 1)


class Parity(Task):
    """Whether each beginning of a row of bits holds an odd number of ones."""

    max_length = LENGTH

    def __init__(self) -> None:
        self.symbols = ["PAD", "0", "1"]
        order = np.random.default_rng(0).permutation(2**LENGTH)
        parts = np.split(order, [44, 54])
        self.rows = dict(zip(("train", "validation", "test"), parts, strict=True))

    def size(self, split: Split) -> int:
        """The number of rows in a split."""
        return len(self.rows[split])

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bits, and what is odd so far; the first place is given away."""
        bits = self.rows[split][indices][:, None] & powers(np.arange(LENGTH)) > 0
        targets = bits.cumsum(axis=1) % 2 + 1
        targets[:, 0] = IGNORED
        return bits + 1, targets
