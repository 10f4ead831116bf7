"""What numbers and strings in a file stand for."""

from __future__ import annotations

import math
import re

from neural_dsl.diagnostics import Diagnostics
from neural_dsl.source import Span

_LARGEST = 2**63 - 1
_ESCAPE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[\s\S])"  # \\ and one more
)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", '"': '"', "'": "'"}


def read_number(text: str) -> int | float | None:
    """The int (digits alone) or float that is written, None when it is too large."""
    digits = text.replace("_", "")
    if digits.isdecimal():
        if len(digits.lstrip("0")) > 19:  # int() refuses, or takes long over, more
            return None
        whole = int(digits)
        return whole if whole <= _LARGEST else None
    real = float(digits)
    return real if math.isfinite(real) else None


def read_string(text: str, start: int, found: Diagnostics) -> str:
    """The string between the quotes of `text`, which stands at offset `start`.

    An escape that the language does not know is reported (NE015) at its own place.
    """
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    return _ESCAPE.sub(lambda match: _escaped(match, start + 1, found), inner)


def _escaped(match: re.Match[str], start: int, found: Diagnostics) -> str:
    escape = match[0]
    if escape[1] in _SIMPLE:
        return _SIMPLE[escape[1]]
    if len(escape) > 2:
        code = int(escape[2:], 16)
        if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF:
            return chr(code)
    found.error(
        "NE015",
        f"`{escape}` is no escape that strings know",
        Span(start + match.start(), start + match.end()),
        help=r"write a backslash as `\\`; known are "
        r"`\n`, `\t`, `\r`, `\0`, `\"`, `\'`, `\x41`, `\u0041` and `\U00000041`",
    )
    return escape
