"""From text to syntax tree: `read_source`, `parse`, and `parse_value` for a piece.

The stages, each in its own module: `tokens` scans, `roles` settles what names and braces
are, `engine` runs the tables of `grammar/neural.lark` and recovers from mistakes,
`build` makes the nodes, `mistakes` words the diagnostics.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from neural_dsl.diagnostics import Diagnostic, Diagnostics, NeuralError, refusal
from neural_dsl.source import Source, Span
from neural_dsl.syntax.build import Builder
from neural_dsl.syntax.engine import Engine
from neural_dsl.syntax.kinds import END
from neural_dsl.syntax.nodes import File, Value
from neural_dsl.syntax.reading import ONE_NETWORK, read_source
from neural_dsl.syntax.roles import Roles
from neural_dsl.syntax.tokens import Tokens, scan

__all__ = ["MOST_ERRORS", "parse", "parse_value", "read_source", "read_tree"]

MOST_ERRORS = 20
"""The mistakes that one run reports; behind so many, more would not help."""


IN_WORDS = ("NE016", "NE018")
"""Mistakes in single words, which leave a tree that is worth a look."""


@dataclass(frozen=True)
class Parsed:
    """A syntax tree and what was found on the way. The tree is None where a mistake left
    none; mistakes in single words (`netwrok`) leave it whole."""

    tree: Any
    diagnostics: tuple[Diagnostic, ...]

    def whole(self) -> Any:
        """The tree of a text without mistakes. Raises NeuralError."""
        if any(each.severity == "error" for each in self.diagnostics):
            raise NeuralError(*self.diagnostics)
        return self.tree


def parse(source: Source) -> File:
    """The syntax tree of a whole file.

    Raises NeuralError with every syntax error found: after each one the parser goes on
    at the next setting, layer, section or network.
    """
    tree: File = read_tree(source).whole()
    return tree


def read_tree(source: Source) -> Parsed:
    """The syntax tree of a whole file, as far as there is one, with what is wrong in it.

    Raises NeuralError for a file of nothing but comments (NE006).
    """
    tokens = scan(source.text)
    if tokens.kinds[0] == END:
        message = "the file holds nothing but comments"
        raise refusal("NE006", message, source, Span(0, 0), help=ONE_NETWORK)
    return _run(source, tokens, "file")


def parse_value(text: str, source: Source, offset: int) -> Value:
    """The value that `text` spells, with spans in `source`, where it stands at `offset`.

    For the text inside a string, such as `"Adam(learning_rate=1e-4)"`; when escapes make
    it differ from what the file spells, places in it count the decoded characters.
    Raises NeuralError as `parse` does.
    """
    end = offset + len(text)
    whole = source.text
    if not whole.startswith(text, offset):
        whole = whole[:offset] + text
    value: Value = _run(source, scan(whole, offset, end), "value").whole()
    return value


def _run(source: Source, tokens: Tokens, start: str) -> Parsed:
    found = Diagnostics(source)
    Roles(tokens, found, items=start == "file").assign()

    def report(engine: Engine, token: int) -> bool:
        from neural_dsl.syntax.mistakes import describe  # a right file needs no words

        found.add(describe(engine, source, token))
        if len(found.found) < MOST_ERRORS:
            return True
        message = f"stopped after {MOST_ERRORS} errors; there may be more"
        found.error("NW001", message, tokens.span(token), severity="note")
        return False

    with garbage_collection_paused():
        tree = Engine(tokens, Builder(source, tokens, found), report).run(start)
    whole = all(each.code in IN_WORDS for each in found.found)
    return Parsed(tree if whole else None, found.in_order())


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """A tree has no cycles, and looking for some, again and again while it grows, would
    take longer than to build it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
