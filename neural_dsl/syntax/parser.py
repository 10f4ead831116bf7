"""From a path to text, and from text to syntax tree.

The stages, each in its own module: `tokens` scans, `roles` settles what names and braces
are, `engine` runs the tables of `grammar/neural.lark` and recovers from mistakes,
`build` makes the nodes, `mistakes` words the diagnostics.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neural_dsl.diagnostics import Diagnostic, Diagnostics, NeuralError, refusal
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.source import Source, Span, read_regular
from neural_dsl.syntax.build import Builder
from neural_dsl.syntax.engine import Engine
from neural_dsl.syntax.kinds import END
from neural_dsl.syntax.nodes import File, Value
from neural_dsl.syntax.roles import Roles
from neural_dsl.syntax.tokens import Tokens, scan

MOST_ERRORS = 20
"""The mistakes that one run reports; behind so many, more would not help."""
IN_WORDS = ("NE016", "NE018")
"""Mistakes in single words, which leave a tree that is worth a look."""
LONGEST = 100_000_000
"""Bytes of a `.neural` file; far more than any model takes to write."""
_ONE_NETWORK = (
    "a file needs at least one network: `network Name { input: (…) layers: … }`"
)


def read_source(path: str | os.PathLike[str]) -> Source:
    """The text of a file, without a byte order mark.

    Raises NeuralError for a file that is missing (NE001), a directory (NE002), not
    readable, no regular file or too long (NE003), not UTF-8 (NE004), binary (NE005) or
    empty (NE006).
    """
    name = os.fspath(path)
    source = Source(name, "")
    try:
        return _decoded(name, read_regular(name, LONGEST))
    except FileNotFoundError:
        message = f"there is no file `{name}`"
        raise refusal("NE001", message, source, help=_near(Path(name))) from None
    except IsADirectoryError:
        help = "name a `.neural` file inside it"
        raise refusal("NE002", f"`{name}` is a directory", source, help=help) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        reason = getattr(error, "strerror", None) or str(error)
        message = f"`{name}` cannot be read: {reason[:1].lower()}{reason[1:]}"
        help = "check the path and its permissions"
        raise refusal("NE003", message, source, help=help) from None


def _decoded(name: str, content: bytes) -> Source:
    in_utf8, text = "save it as UTF-8 in your editor", ""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        message = "the file is UTF-16, not UTF-8"
        raise refusal("NE004", message, Source(name, ""), help=in_utf8)
    code, message = "NE005", "this is a binary file: it contains a NUL byte"
    help = "a `.neural` file is plain UTF-8 text; did you mean another file?"
    bad = content.find(0)
    if bad < 0:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            # utf-8-sig counts from behind the mark that it took off.
            bad = error.start + 3 * content.startswith(b"\xef\xbb\xbf")
            message = f"the file is not UTF-8: byte 0x{content[bad]:02x}"
            code, help = "NE004", in_utf8
    if bad >= 0:  # shown in what can be made of the text
        at = len(content[:bad].decode("utf-8", "replace"))
        source = Source(name, content.decode("utf-8", "replace"))
        raise refusal(code, message, source, Span(at, at + 1), help=help)
    source = Source(name, text)
    if not text.strip():
        raise refusal("NE006", "the file is empty", source, help=_ONE_NETWORK)
    return source


def _near(path: Path) -> str:
    """A file of nearly that name in the same directory, or general help."""
    try:
        paths = list(path.parent.iterdir())
    except OSError:
        return f"there is no directory `{path.parent}` either"
    names = (each.name for each in paths if each.suffix in (".neural", ".nr"))
    meant = closest(path.name, names)
    return f"did you mean `{path.with_name(meant)}`?" if meant else "check the path"


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
        raise refusal("NE006", message, source, Span(0, 0), help=_ONE_NETWORK)
    return _run(source, tokens, "file")


def parse_value(text: str, source: Source, offset: int) -> Value:
    """The value that `text` spells, with spans in `source`, where it stands at `offset`.

    For the text inside a string, such as `"Adam(learning_rate=1e-4)"`; when escapes make
    it differ from what the file spells, places in it count the decoded characters.
    Raises NeuralError as `parse` does.
    """
    whole = source.text
    if not whole.startswith(text, offset):
        whole = whole[:offset] + text
    tokens = scan(whole, offset, offset + len(text))
    value: Value = _run(source, tokens, "value").whole()
    return value


def _run(source: Source, tokens: Tokens, start: str) -> Parsed:
    found = Diagnostics(source)
    Roles(tokens, found, items=start == "file").assign()

    def report(engine: Engine, token: int) -> bool:
        from neural_dsl.syntax.mistakes import Mistake  # a right file needs no words

        found.add(Mistake(engine, source, token).describe())
        if len(found.found) < MOST_ERRORS:
            return True
        message = f"stopped after {MOST_ERRORS} errors; there may be more"
        found.note("NW001", message, tokens.span(token))
        return False

    with garbage_collection_paused():
        tree = Engine(tokens, Builder(tokens, found), report).run(start)
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
