"""What every task offers to training, evaluation and pictures.

The scripts that train on a user's own task contain what they need of it, so it gets by
with NumPy and the standard library, and reads as a part of one file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

Split = Literal["train", "validation", "test"]
IGNORED = -100  # a target that the loss leaves out
PAD = 0  # the id that fills up the shorter sequences of a batch
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Task:
    """Examples to learn from, in three splits that share none.

    `symbols[id]` is the symbol behind an id. `max_length` is the longest model input. A
    causal task asks for the next symbol, so its model must not look ahead. `measure` is
    what tells how good a model is at it.
    """

    symbols: Sequence[str]
    max_length: int
    causal = True
    measure: Literal["exact_match", "accuracy", "loss"] = "exact_match"

    def size(self, split: Split) -> int:
        """The number of examples in a split."""
        raise NotImplementedError

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets (B, T) of some examples.

        Inputs are padded with PAD; targets are IGNORED where no loss is taken.
        """
        raise NotImplementedError

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """The prompt and the answer of one example, as people write them."""
        raise NotImplementedError

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of a prompt, as the model reads it. Raises ValueError."""
        raise NotImplementedError

    def decode(self, ids: Sequence[int]) -> str:
        """The text of an answer, as people write it."""
        raise NotImplementedError

    def answer_length(self, prompt: str) -> int:
        """How many ids the answer to a prompt has at most."""
        raise NotImplementedError

    def is_end(self, id: int) -> bool:
        """Whether this id ends an answer before its full length."""
        return False

    def right_answer(self, prompt: str) -> str | None:
        """The one right answer to a prompt, None where nobody knows. Raises ValueError."""
        return None

    def attention_for(self, prompt: str) -> list[tuple[int, tuple[int, ...]]] | None:
        """Where a model that solves the prompt must look: (query, keys) positions.

        The query is the position that predicts a symbol of the answer; the keys are
        what that symbol follows from. None where no such thing is known.
        """
        return None

    def beyond_training(self, prompt: str) -> str:
        """Says when a prompt that the task can read is of a kind that it never trains on;
        "" otherwise."""
        return ""

    def place_names(self, count: int) -> list[str]:
        """What stands at each place of an answer."""
        return [f"symbol {place + 1}" for place in range(count)]

    def rows_of(self, prompt: str) -> dict[str, tuple[Any, str]]:
        """Table -> the row in which an answer counts: what orders the rows, its label."""
        return {}

    def never_trained_on(self, longest: float) -> Iterator[Any]:
        """Problems that no training has and that take `longest` ids at most: (table, row,
        ids of prompts (B, P), ids of answers (B, A))."""
        yield from ()

    def reachable(self) -> float | None:
        """The share of scored tokens that follow from what stands before them: all where
        problems have one right answer. None where nobody knows, as in running text."""
        return 1.0 if self.measure == "exact_match" else None
