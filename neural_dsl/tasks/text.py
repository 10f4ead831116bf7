"""Language models: predict the next token of a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from neural_dsl.tasks.base import Split, Task


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file. Raises OSError, and ValueError if it is no text."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        place = f"the byte at {error.start:,} is 0x{error.object[error.start]:02x}"
        raise ValueError(f"{path} is not a text in UTF-8: {place}") from None
    if "\0" in text:
        raise ValueError(f"{path} is a binary file, not a text: it holds NUL bytes")
    if not text.strip():
        raise ValueError(f"{path} is empty")
    return text


class Tokenizer:
    """Cuts a text into tokens. `symbols[id]` is the text of an id; id 0 is padding."""

    symbols: list[str]

    def learn(self, texts: Mapping[Split, str]) -> None:
        """Find the symbols in the parts of a text. Raises ValueError."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises ValueError."""
        raise NotImplementedError

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        raise NotImplementedError


class Text(Task):
    """A text, cut into windows of `context` tokens, each followed by one more.

    The last tenth is held out, half of it for validation and half for the test.
    """

    measure = "loss"

    def __init__(self, path: str, tokenizer: Tokenizer, context: int = 128):
        text = read_text(path)
        self.texts: dict[Split, str] = {
            "train": text[: len(text) * 18 // 20],
            "validation": text[len(text) * 18 // 20 : len(text) * 19 // 20],
            "test": text[len(text) * 19 // 20 :],
        }
        tokenizer.learn(self.texts)
        self.tokenizer = tokenizer
        self.symbols = tokenizer.symbols
        self.max_length = context
        self.tokens = {
            split: np.array(tokenizer.encode(part))
            for split, part in self.texts.items()
        }
        for split, tokens in self.tokens.items():
            if len(tokens) <= context:
                raise ValueError(
                    f"{path} is too short for context={context}: its {split} part has "
                    f"{len(tokens):,} tokens, and one window takes {context + 1:,}"
                )

    def size(self, split: Split) -> int:
        """The number of windows; each token but the first is predicted once."""
        return (len(self.tokens[split]) - 1) // self.max_length

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Windows (B, context) and what follows each of their tokens."""
        starts = indices * self.max_length
        windows = starts[:, None] + np.arange(self.max_length + 1)
        tokens = self.tokens[split][windows]
        return tokens[:, :-1], tokens[:, 1:]

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """Both halves of a window."""
        start, half = index * self.max_length, (self.max_length + 1) // 2
        tokens = self.tokens[split][start : start + self.max_length + 1].tolist()
        return self.decode(tokens[:half]), self.decode(tokens[half:])

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of the beginning of a text. Raises ValueError."""
        ids = self.tokenizer.encode(prompt)
        if not 1 <= len(ids) <= self.max_length:
            raise ValueError(
                f"the prompt has {len(ids):,} tokens; the model reads 1 to "
                f"{self.max_length:,}"
            )
        return np.array(ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return self.tokenizer.decode(ids)

    def answer_length(self, prompt: str) -> int:
        """What is left of the context."""
        return self.max_length - len(self.encode(prompt))
