"""Source text and places in it."""

from __future__ import annotations

import os
import re
import stat
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO


class NotRegular(OSError):
    """A pipe, a device or the like, which might never end."""


LONGEST = 2**31
"""Bytes of a file that is read whole."""


def read_regular(path: str | os.PathLike[str], most: int = LONGEST) -> bytes:
    """The content of a regular file of at most `most` bytes.

    Raises OSError, NotRegular among it, and ValueError for a name with a NUL character.
    Never waits for a pipe, nor reads more than `most` bytes.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(0, f"it is longer than {most:,} bytes")
    return content


@contextmanager
def open_regular(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A regular file, opened for reading. Raises as `read_regular` does."""
    with open(path, "rb", opener=at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NotRegular(0, "it is no regular file")
        yield file


def at_once(path: str, flags: int) -> int:
    """An opener that does not wait for the other end of a pipe."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(descriptor, True)  # what is read or written may wait
    return descriptor


_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of character offsets, `start <= end`, into a `Source`'s text."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of the other."""
        return Span(self.start, other.end)


@dataclass(frozen=True)
class Source:
    """The text of one file, under the name by which its user knows it.

    `note` says how the text differs from the file's, as "with --set train.epochs=3".
    `copy` is where the text itself stands, if that is not the file it was made from.
    """

    name: str
    text: str
    note: str = ""
    copy: str = ""

    @property
    def place(self) -> str:
        """The file that messages point into."""
        return self.copy or self.name

    @cached_property
    def line_starts(self) -> list[int]:
        """The offset at which each line begins (`\\n`, `\\r\\n` and `\\r` end a line)."""
        return [0, *(end.end() for end in _LINE_END.finditer(self.text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both counted from 1, in characters."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its line ending."""
        start = self.line_starts[number - 1]
        last = number == len(self.line_starts)
        end = len(self.text) if last else self.line_starts[number]
        return self.text[start:end].rstrip("\r\n")

    def slice(self, span: Span) -> str:
        """The text that a span covers."""
        return self.text[span.start : span.end]
