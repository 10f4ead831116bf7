"""From a path to a `Source`."""

from __future__ import annotations

import os
from pathlib import Path

from neural_dsl.diagnostics import refused
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.source import Source, Span, read_regular

_EXAMPLE = "network Name { input: (…) layers: … }"


LONGEST = 100_000_000
"""Bytes of a `.neural` file; far more than any model takes to write."""


def read_source(path: str | os.PathLike[str]) -> Source:
    """The text of a file, without a byte order mark.

    Raises NeuralError for a file that is missing (NE001), a directory (NE002), not
    readable, no regular file or too long (NE003), not UTF-8 (NE004), binary (NE005) or empty (NE006).
    """
    name = os.fspath(path)
    try:
        content = read_regular(name, LONGEST)
    except FileNotFoundError:
        message = f"there is no file `{name}`"
        raise refused("NE001", message, _near(name), Source(name, "")) from None
    except IsADirectoryError:
        help_ = "name a `.neural` file inside it"
        message = f"`{name}` is a directory"
        raise refused("NE002", message, help_, Source(name, "")) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        reason = getattr(error, "strerror", None) or str(error)
        message = f"`{name}` cannot be read: {reason[:1].lower()}{reason[1:]}"
        help_ = "check the path and its permissions"
        raise refused("NE003", message, help_, Source(name, "")) from None
    return _decode(name, content)


def _decode(name: str, content: bytes) -> Source:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        message = "the file is UTF-16, not UTF-8"
        help_ = "save it as UTF-8 in your editor"
        raise refused("NE004", message, help_, Source(name, ""))
    if 0 in content:
        place = content.index(0)
        source = Source(name, content.decode("utf-8", "replace"))
        at = len(content[:place].decode("utf-8", "replace"))
        message = "this is a binary file: it contains a NUL byte"
        help_ = "a `.neural` file is plain UTF-8 text; did you mean another file?"
        raise refused("NE005", message, help_, source, Span(at, at + 1))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        source = Source(name, content.decode("utf-8", "replace"))
        # utf-8-sig counts from behind the mark that it took off.
        mark = 3 if content.startswith(b"\xef\xbb\xbf") else 0
        at = len(content[: error.start + mark].decode("utf-8", "replace"))
        message = f"the file is not UTF-8: byte 0x{content[error.start + mark]:02x}"
        help_ = "save it as UTF-8 in your editor"
        raise refused("NE004", message, help_, source, Span(at, at + 1)) from None
    if not text.strip():
        help_ = f"a file needs at least one network: `{_EXAMPLE}`"
        raise refused("NE006", "the file is empty", help_, Source(name, text))
    return Source(name, text)


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
