"""Language models: predict the next token of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neural_dsl.catalogue.tasks.data import text_parts
from neural_dsl.catalogue.tasks.files import task_text
from neural_dsl.tasks.base import Split
from neural_dsl.tasks.given import GivenTask


class Characters:
    """The tokenizer that needs nothing: each character of the text is a token."""

    def __init__(self, symbols: Sequence[str]):
        self.symbols = symbols
        self.ids = {symbol: id for id, symbol in enumerate(symbols) if id}

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises ValueError."""
        for symbol in text:
            if symbol not in self.ids:
                raise ValueError(
                    f"the character {symbol!r} is not in the training text"
                )
        return [self.ids[symbol] for symbol in text]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return "".join(self.symbols[id] for id in ids if id)


class Subwords:
    """A tokenizer of the `tokenizers` library; its id i becomes i + 1, as 0 is padding."""

    def __init__(self, tokenizer: Any):
        self.tokenizer = tokenizer
        names = {id: name for name, id in tokenizer.get_vocab().items()}
        self.symbols = ["PAD"]
        for id in range(max(names) + 1):
            text = tokenizer.decode([id], skip_special_tokens=False)
            self.symbols.append(text or names.get(id, ""))

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        return [id + 1 for id in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        known = [id - 1 for id in ids if id]
        return str(self.tokenizer.decode(known, skip_special_tokens=False))

    def save(self, path: str) -> None:
        """Write the file that makes the same tokenizer again."""
        self.tokenizer.save(path)


class Text(GivenTask):
    """A text: training reads windows of `context` tokens from random places, what is
    held out comes in windows one after another. The last tenth is held out, half of it
    for validation and half for the test.

    Raises ValueError for a text too short, and ImportError without its tokenizer.
    """

    def __init__(self, *given: Any):
        super().__init__(*given)
        kind, path = self.params["tokenizer"], self.params["path"]
        self.tokenizer: Characters | Subwords
        if kind == "char":
            self.tokenizer = Characters(self.symbols)
        else:
            self.tokenizer = Subwords(self.data.tokenizer())
            self.symbols = self.tokenizer.symbols
        if kind == "bpe":
            self.refuse_another_vocabulary(len(self.symbols) - 1)
        for split in ("train", "validation", "test"):
            count = len(self.data.tokens(split))
            if count <= self.max_length:
                raise ValueError(
                    f"{path} is too short for context={self.max_length}: its {split} "
                    f"part has {count:,} tokens, and one window takes "
                    f"{self.max_length + 1:,}"
                )

    def refuse_another_vocabulary(self, size: int) -> None:
        """Raise ValueError where a byte-pair encoding has not learnt what was asked for."""
        if size <= 256:
            raise ValueError('too short a text to learn parts of words: use "char"')
        if size != self.params["vocabulary"]:
            raise ValueError(
                f"the text gives {size:,} tokens, not {self.params['vocabulary']:,}: "
                f"set vocabulary={size}"
            )

    def size(self, split: Split) -> int:
        """The number of windows that hold each token but the first as a target once."""
        return (len(self.data.tokens(split)) - 1) // self.max_length

    def text_of(self, split: Split) -> str:
        """A part of the text."""
        text = task_text(self.params["path"], self.folder)
        return text_parts(text)[("train", "validation", "test").index(split)]

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """Both halves of a window."""
        x, y = self.batch(split, np.array([index]))
        tokens, half = [*x[0].tolist(), int(y[0, -1])], (self.max_length + 1) // 2
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
