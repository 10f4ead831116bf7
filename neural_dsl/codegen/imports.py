"""What the code that is being written needs beside itself, and its block of imports.

A template says `{% do need("F", "pad_same") %}` where it writes such a name, and a row of
a backend's table has `needs`. `structure.py.j2` knows what the imports are, `helpers.py.j2`
writes the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
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


def import_blocks(statements: Iterable[str]) -> tuple[str, str]:
    """The imports of the standard library and of installed packages, each statement of
    one name, in Ruff's order."""
    plain: set[str] = set()
    members: dict[str, set[str]] = {}
    for statement in statements:
        if statement.startswith("from "):
            module, _, name = statement[5:].partition(" import ")
            members.setdefault(module, set()).add(name)
        else:
            plain.add(statement)
    ordered = sorted(plain)
    for module, taken in sorted(members.items()):
        renamed = sorted(name for name in taken if " as " in name)
        kept = taken.difference(renamed)
        # Ruff's order of members: CONSTANTS, Classes, functions.
        kinds = sorted((not n.isupper(), not n[:1].isupper(), n) for n in kept)
        together = ", ".join(name for _, _, name in kinds)
        parts = [together, *renamed] if kept else renamed
        ordered += [f"from {module} import {part}" for part in parts]
    blocks: tuple[list[str], list[str]] = ([], [])
    for statement in ordered:
        package = statement.split()[1].partition(".")[0]
        blocks[package not in sys.stdlib_module_names].append(statement)
    return "\n".join(blocks[0]), "\n".join(blocks[1])


def imported_names(lines: str) -> Iterator[str]:
    """What import statements, one a line, give names to."""
    for line in lines.splitlines():
        for name in line.rpartition("import ")[2].split(", "):
            yield name.rpartition(" as ")[2].partition(".")[0]
