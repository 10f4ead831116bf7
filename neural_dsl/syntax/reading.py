"""From a path to a `Source`."""

from __future__ import annotations

import os
from pathlib import Path

from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.source import Source, Span, read_regular

ONE_NETWORK = (
    "a file needs at least one network: `network Name { input: (…) layers: … }`"
)


LONGEST = 100_000_000
"""Bytes of a `.neural` file; far more than any model takes to write."""


def read_source(path: str | os.PathLike[str]) -> Source:
    """The text of a file, without a byte order mark.

    Raises NeuralError for a file that is missing (NE001), a directory (NE002), not
    readable, no regular file or too long (NE003), not UTF-8 (NE004), binary (NE005) or empty (NE006).
    """
    name = os.fspath(path)
    source = Source(name, "")
    try:
        content = read_regular(name, LONGEST)
    except FileNotFoundError:
        message = f"there is no file `{name}`"
        raise refusal("NE001", message, source, help=_near(name)) from None
    except IsADirectoryError:
        help_ = "name a `.neural` file inside it"
        raise refusal("NE002", f"`{name}` is a directory", source, help=help_) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        reason = getattr(error, "strerror", None) or str(error)
        message = f"`{name}` cannot be read: {reason[:1].lower()}{reason[1:]}"
        help_ = "check the path and its permissions"
        raise refusal("NE003", message, source, help=help_) from None
    return _decode(name, content)


def _decode(name: str, content: bytes) -> Source:
    in_utf8 = "save it as UTF-8 in your editor"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        message = "the file is UTF-16, not UTF-8"
        raise refusal("NE004", message, Source(name, ""), help=in_utf8)
    if 0 in content:
        message = "this is a binary file: it contains a NUL byte"
        help_ = "a `.neural` file is plain UTF-8 text; did you mean another file?"
        raise _at("NE005", message, help_, name, content, content.index(0))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # utf-8-sig counts from behind the mark that it took off.
        place = error.start + 3 * content.startswith(b"\xef\xbb\xbf")
        message = f"the file is not UTF-8: byte 0x{content[place]:02x}"
        raise _at("NE004", message, in_utf8, name, content, place) from None
    if not text.strip():
        source = Source(name, text)
        raise refusal("NE006", "the file is empty", source, help=ONE_NETWORK)
    return Source(name, text)


def _at(
    code: str, message: str, help: str, name: str, content: bytes, byte: int
) -> NeuralError:
    """The error of one byte, shown in what can be made of the file's text."""
    source = Source(name, content.decode("utf-8", "replace"))
    at = len(content[:byte].decode("utf-8", "replace"))
    return refusal(code, message, source, Span(at, at + 1), help=help)


def _near(name: str) -> str:
    """A file of nearly that name in the same directory, or general help."""
    path = Path(name)
    try:
        files = [
            p.name for p in path.parent.iterdir() if p.suffix in (".neural", ".nr")
        ]
    except OSError:
        return f"there is no directory `{path.parent}` either"
    meant = closest(path.name, files)
    return f"did you mean `{path.with_name(meant)}`?" if meant else "check the path"
