"""The scanner: text to tokens, in one pass, whatever the text."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass

from neural_dsl.source import Span
from neural_dsl.syntax.kinds import END, IGNORED, PATTERN

_SCANNER = re.compile(PATTERN)


@dataclass(frozen=True)
class Tokens:
    """All tokens of a text, column by column: 13 bytes each, so that a file of many
    megabytes stays small. The text ends in tokens END, of no length.

    `kinds[i]` is what token i is (`syntax/kinds.py`); it covers the characters
    `starts[i]` to `ends[i]`. `partners[i]` is, for a bracket, the token of the bracket
    that belongs to it, or -1; `syntax/roles.py` fills it in.
    """

    text: str
    kinds: bytearray
    starts: array[int]
    ends: array[int]
    partners: array[int]

    def span(self, token: int) -> Span:
        """The place of a token."""
        return Span(self.starts[token], self.ends[token])

    def word(self, token: int) -> str:
        """The text of a token."""
        return self.text[self.starts[token] : self.ends[token]]

    def begins_line(self, token: int) -> bool:
        """Whether nothing but space stands before a token on its line."""
        start = self.starts[token]
        before = self.text[self.ends[token - 1] if token else 0 : start]
        return not token or "\n" in before or "\r" in before

    def indentation(self, token: int) -> int:
        """The number of characters before the first one of the token's line that is no
        space."""
        start = self.starts[token]
        newlines = self.text.rfind("\n", 0, start), self.text.rfind("\r", 0, start)
        line = self.text[max(newlines) + 1 : start + 1]
        return len(line) - len(line.lstrip())


def scan(text: str, start: int = 0, end: int | None = None) -> Tokens:
    """The tokens of a text, or of a part of it; spaces and comments are left out."""
    end = len(text) if end is None else end
    kinds, starts, ends = bytearray(), array("I"), array("I")
    for match in _SCANNER.finditer(text, start, end):
        kind = match.lastindex or 0
        if kind not in IGNORED:
            kinds.append(kind)
            starts.append(match.start())
            ends.append(match.end())
    kinds.extend((END,) * 3)  # so that looking ahead needs no check
    starts.extend((end,) * 3)
    ends.extend((end,) * 3)
    return Tokens(text, kinds, starts, ends, array("i", (-1,)) * len(kinds))
