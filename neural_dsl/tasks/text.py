"""Language models: predict the next token of a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


class Characters:
    """A tokenizer: each character is a token."""

    def __init__(self, text: str):
        self.symbols = ["PAD", *sorted(set(text))]
        self.ids = {symbol: id for id, symbol in enumerate(self.symbols) if id}

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
    """A tokenizer of the `tokenizers` library; its id i becomes i + 1, as 0 is padding.

    Without a file, byte-pair encoding is learnt from a text (Sennrich et al., 2016).
    """

    def __init__(self, file: str | None = None, text: str = "", vocabulary: int = 0):
        import tokenizers

        self.tokenizer: Any
        if file is not None:
            try:
                self.tokenizer = tokenizers.Tokenizer.from_str(read_text(file))
            except Exception as error:  # the library raises no narrower one
                raise ValueError(f"{file} is not a tokenizer.json: {error}") from error
        else:
            self.tokenizer = tokenizers.ByteLevelBPETokenizer()
            self.tokenizer.train_from_iterator(
                text.splitlines(keepends=True), vocabulary, show_progress=False
            )
        known = self.tokenizer.get_vocab()
        size = max(known.values()) + 1
        if file is None and size <= 256:
            raise ValueError('too short a text to learn parts of words: use "char"')
        if file is None and size != vocabulary:
            raise ValueError(
                f"the text gives {size:,} tokens, not {vocabulary:,}: "
                f"set vocabulary={size}"
            )
        names = {id: name for name, id in known.items()}
        self.symbols = ["PAD"]
        for id in range(size):
            text = self.tokenizer.decode([id], skip_special_tokens=False)
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


class Text(Task):
    """A text, cut into windows of `context` tokens, each followed by one more.

    The last tenth is held out, half of it for validation and half for the test. The
    `tokenizer` is "char", "bpe" (then `vocabulary` tokens are learnt from the training
    text), or the name of a tokenizer.json.
    """

    measure = "loss"

    def __init__(
        self,
        path: str,
        tokenizer: str = "char",
        context: int = 128,
        vocabulary: int = 1000,
    ):
        text = read_text(path)
        self.texts: dict[Split, str] = {
            "train": text[: len(text) * 18 // 20],
            "validation": text[len(text) * 18 // 20 : len(text) * 19 // 20],
            "test": text[len(text) * 19 // 20 :],
        }
        self.tokenizer: Characters | Subwords
        if tokenizer == "char":
            self.tokenizer = Characters(text)
        elif tokenizer == "bpe":
            self.tokenizer = Subwords(text=self.texts["train"], vocabulary=vocabulary)
        else:
            self.tokenizer = Subwords(tokenizer)
        self.symbols = self.tokenizer.symbols
        self.max_length = context
        self.tokens = {
            split: np.array(self.tokenizer.encode(part))
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
