"""The tokenizer that needs nothing: a text, character by character."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neural_dsl.tasks.base import Split
from neural_dsl.tasks.text import Tokenizer


class Characters(Tokenizer):
    """Each character of a text, held out parts included, is a token."""

    def learn(self, texts: Mapping[Split, str]) -> None:
        """Take all characters, in their order."""
        self.symbols = ["PAD", *sorted(set("".join(texts.values())))]
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
