"""Kinds of tokens in the words of users."""

from __future__ import annotations

from neural_dsl.syntax import kinds as k
from neural_dsl.syntax._tables import KINDS

_LAYER = frozenset((k.NAME, k.BRANCH, k.GROUP))
_SECTION = frozenset((k.KEY, k.INPUT, k.BLOCK))
VALUE = frozenset((k.NUMBER, k.STRING, k.NAME, k.LPAR))
"""What any value can begin with."""

_SETTING = frozenset((k.KEY, k.BLOCK, k.STRING))
_SIGNS = {
    k.COLON: "`:`",
    k.EQUAL: "`=`",
    k.COMMA: "`,`",
    k.RPAR: "`)`",
    k.RSQB: "`]`",
    k.RBRACE: "`}`",
    k.LPAR: "`(`",
    k.BODY: "`{`",
    k.NAME: "a name",
    k.END: "nothing more",
}


def in_words(kinds: set[int]) -> str:
    """Kinds of tokens that could stand somewhere, in words: `` `,` or `)` ``."""
    parts = []
    if kinds >= VALUE:
        parts.append("a value")
        kinds = kinds & {k.RPAR, k.RSQB}
    elif kinds >= _LAYER:
        parts.append("a layer")
        kinds = kinds - _LAYER - {k.COMMA, k.LPAR, k.BODY}
    if kinds >= _SECTION:
        parts.append("a section")
        kinds = kinds - _SECTION - {k.COMMA, k.LPAR}
    elif kinds >= _SETTING:
        parts.append("a setting like `name: value`")
        kinds = kinds - {k.COMMA, k.NAME, k.LPAR}
    elif kinds >= {k.STRING, k.NAME}:
        parts.append("a name or a string")
        kinds = kinds - {k.NAME}
    elif k.COMMA in kinds:
        kinds = kinds - {k.LPAR}
    parts += [phrase for kind, phrase in _SIGNS.items() if kind in kinds]
    if not parts:
        parts = [KINDS[kind].lower() for kind in sorted(kinds)] or ["something else"]
    if len(parts) == 1:
        return parts[0]
    return ", ".join(parts[:-1]) + " or " + parts[-1]
