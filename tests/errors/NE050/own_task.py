"""A task of a user's own, which does not say how many symbols it has."""

import numpy as np

from neural_dsl.tasks.base import Split, Task


class Own(Task):
    """Nothing but zeros."""

    def size(self, split: Split) -> int:
        """As few examples as can be."""
        return 1

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Zeros (1, 4) and zeros (1, 4)."""
        return np.zeros((1, 4), dtype=np.int64), np.zeros((1, 4), dtype=np.int64)
