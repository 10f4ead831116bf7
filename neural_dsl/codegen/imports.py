"""The import block of an emitted file: what its code mentions, in Ruff's order."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator

_STRING = r"""(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
_PROSE = r'"""[\s\S]*?"""|#[^\n]*'
_SILENT = re.compile(rf"{_PROSE}|(\br?f{_STRING})|{_STRING}")
"""What mentions nothing, where group 1 is empty: `f"{math.pi}"` mentions `math`."""
_WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")


def mentioned(lines: Iterable[str], code: str, own: str = "") -> Iterator[str]:
    """The imports that a training and its data mention, of `lines`, each one statement.

    `own` is a user's part of the code, in which a string may be an annotation: it mentions
    what it says.
    """
    words = set(_WORD.findall(_SILENT.sub(r"\1", code)))
    words.update(_WORD.findall(re.sub(_PROSE, "", own)))
    for line in lines:
        start, _, names = line.rpartition("import ")
        for name in names.split(", "):
            if name.rpartition(" as ")[2].partition(".")[0] in words:
                yield f"{start}import {name}"


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
        kept = ", ".join(sorted(taken.difference(renamed), key=_order))
        parts = [kept, *renamed] if kept else renamed
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


def _order(name: str) -> tuple[int, str]:
    """Ruff's order of members: CONSTANTS, Classes, functions."""
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name
