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


def import_blocks(lines: Iterable[str], code: str, own: str = "") -> tuple[str, str]:
    """The standard library's imports and the installed packages' that `code` needs.

    `lines` are the imports to choose from, each one statement. `own` is a user's part of
    the code, in which a string may be an annotation: it mentions what it says.
    """
    mentioned = set(_WORD.findall(_SILENT.sub(r"\1", code)))
    mentioned.update(_WORD.findall(re.sub(_PROSE, "", own)))
    plain: set[str] = set()
    members: dict[str, set[str]] = {}
    for line in lines:
        if line.startswith("from "):
            module, _, names = line[5:].partition(" import ")
            for name in names.split(", "):
                if name.rpartition(" ")[2] in mentioned:  # `a as b`
                    members.setdefault(module, set()).add(name)
        else:
            module, _, alias = line[7:].partition(" as ")
            if (alias or module.partition(".")[0]) in mentioned:
                plain.add(line)
    statements = sorted(plain)
    for module, taken in sorted(members.items()):
        renamed = sorted(name for name in taken if " as " in name)
        kept = ", ".join(sorted(taken.difference(renamed), key=_order))
        parts = [kept, *renamed] if kept else renamed
        statements += [f"from {module} import {part}" for part in parts]
    blocks: tuple[list[str], list[str]] = ([], [])
    for statement in statements:
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
