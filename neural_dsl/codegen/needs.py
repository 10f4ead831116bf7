"""What the code that is being written needs beside itself: imports and helpers by name.

A template says `{% do need("F", "pad_same") %}` where it writes such a name, and a row of
a backend's table has `needs`. `structure.py.j2` knows what the imports are, `helpers.py.j2`
writes the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

Needs: TypeAlias = dict[str, None]
"""The names, in the order in which they were first needed."""

_collected: ContextVar[Needs] = ContextVar("needs")


@contextmanager
def collecting() -> Iterator[Needs]:
    """Collect what is needed by all that is written inside."""
    found: Needs = {}
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


def need(*names: str) -> str:
    """The code needs these. The empty text, for templates."""
    _collected.get().update(dict.fromkeys(names))
    return ""
