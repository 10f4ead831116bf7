"""Tokenizers of parts of words, by the `tokenizers` library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neural_dsl.tasks.base import Split
from neural_dsl.tasks.text import Tokenizer


class Subwords(Tokenizer):
    """A tokenizer of the `tokenizers` library; its id i becomes i + 1, as 0 is padding.

    Without a file, `vocabulary` tokens of a byte-pair encoding are learnt from the
    training text (Sennrich et al., 2016).
    """

    def __init__(self, file: str | None = None, vocabulary: int = 1000):
        import tokenizers

        self.vocabulary = vocabulary
        self.tokenizer: Any = None
        if file is not None:
            content = Path(file).read_bytes()
            try:
                self.tokenizer = tokenizers.Tokenizer.from_buffer(content)
            except Exception as error:  # the library raises no narrower one
                raise ValueError(f"{file} is not a tokenizer.json: {error}") from error

    def learn(self, texts: Mapping[Split, str]) -> None:
        """Learn the tokens, unless a file has brought them. Raises ValueError."""
        learnt = self.tokenizer is None
        if learnt:
            from tokenizers import ByteLevelBPETokenizer

            self.tokenizer = ByteLevelBPETokenizer()
            lines = texts["train"].splitlines(keepends=True)
            self.tokenizer.train_from_iterator(
                lines, self.vocabulary, show_progress=False
            )
        names = {id: name for name, id in self.tokenizer.get_vocab().items()}
        size = max(names) + 1
        if learnt and size <= 256:
            raise ValueError('too short a text to learn parts of words: use "char"')
        if learnt and size != self.vocabulary:
            raise ValueError(
                f"the text gives {size:,} tokens, not {self.vocabulary:,}: "
                f"set vocabulary={size}"
            )
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
