"""The parse tables of `grammar/neural.lark`, and the kinds of tokens: their numbers in
the tables, and their names in messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_made: Any = json.loads(Path(__file__).with_name("tables.json").read_bytes())


def _states(rows: list[list[int]]) -> list[dict[int, int]]:
    return [dict(zip(row[::2], row[1::2], strict=True)) for row in rows]


PATTERN: str = _made["pattern"]
"""The scanner: its group n finds tokens of the kind n; those of IGNORED are dropped."""
IGNORED = frozenset[int](_made["ignored"])
KINDS: list[str] = _made["kinds"]
STARTS: dict[str, int] = _made["starts"]
ENDS: dict[str, int] = _made["ends"]
RULES: list[tuple[int, int, str]] = list(map(tuple, _made["rules"]))
"""Of each rule the symbol, the length, and what `build.py` makes of it."""
ACTIONS = _states(_made["actions"])
"""What to do in a state on a kind: go to a state (0 and up), or reduce by rule ~n."""
GOTOS = _states(_made["gotos"])
"""Where a reduced symbol leads from a state."""

_number = KINDS.index

NAME, NUMBER, STRING = map(_number, ("NAME", "NUMBER", "STRING"))
COLON, COMMA, EQUAL = map(_number, ("COLON", "COMMA", "EQUAL"))
LBRACE, LPAR, LSQB = map(_number, ("LBRACE", "LPAR", "LSQB"))
RBRACE, RPAR, RSQB = map(_number, ("RBRACE", "RPAR", "RSQB"))
SEMICOLON, AT, STAR = map(_number, ("SEMICOLON", "AT", "STAR"))
PARAMETER, UNKNOWN = map(_number, ("PARAMETER", "UNKNOWN"))
OPEN_STRING, OPEN_COMMENT = map(_number, ("OPEN_STRING", "OPEN_COMMENT"))
NETWORK, DEFINE = map(_number, ("NETWORK", "DEFINE"))
INPUT, LAYERS, KEY = map(_number, ("INPUT", "LAYERS", "KEY"))
BRANCH, BLOCK = map(_number, ("BRANCH", "BLOCK"))
BODY, GROUP, MAP = map(_number, ("BODY", "GROUP", "MAP"))
RECOVERED_ITEM, RECOVERED_SECTION, RECOVERED_STATEMENT, RECOVERED_ENTRY = (
    _number(f"RECOVERED_{place}") for place in ("ITEM", "SECTION", "STATEMENT", "ENTRY")
)
END = _number("$END")

OPENING = frozenset((LBRACE, BODY, GROUP, MAP, LPAR, LSQB))
CLOSING = {RBRACE: "{}", RPAR: "()", RSQB: "[]"}
CLOSERS = {LPAR: RPAR, LSQB: RSQB}
"""What closes a bracket; any other than these is a brace."""

INPUT_WORDS = frozenset(("input", "inputs"))
BLOCK_WORDS = frozenset(("train", "training", "execution", "execute"))
_OTHERS = frozenset(("layers", "loss", "optimizer", "metrics", "lr_schedule", "task"))
SECTION_WORDS = INPUT_WORDS | BLOCK_WORDS | _OTHERS
"""Sections by name: they settle how braces are read where the content does not say."""

VALUE = frozenset((NUMBER, STRING, NAME, LPAR))
"""What any value can begin with."""
_LAYER = frozenset((NAME, BRANCH, GROUP))
_SECTION = frozenset((KEY, INPUT, BLOCK))
_SETTING = frozenset((KEY, BLOCK, STRING))
_SIGNS = {COLON: ":", EQUAL: "=", COMMA: ",", RPAR: ")", RSQB: "]", RBRACE: "}"}
_SIGNS |= {LPAR: "(", BODY: "{"}


def in_words(kinds: set[int]) -> str:
    """Kinds of tokens that could stand somewhere, in words: `` `,` or `)` ``."""
    parts = []
    if kinds >= VALUE:
        parts.append("a value")
        kinds = kinds & {RPAR, RSQB}
    elif kinds >= _LAYER:
        parts.append("a layer")
        kinds = kinds - _LAYER - {COMMA, LPAR, BODY}
    if kinds >= _SECTION:
        parts.append("a section")
        kinds = kinds - _SECTION - {COMMA, LPAR}
    elif kinds >= _SETTING:
        parts.append("a setting like `name: value`")
        kinds = kinds - {COMMA, NAME, LPAR}
    elif kinds >= {STRING, NAME}:
        parts.append("a name or a string")
        kinds = kinds - {NAME}
    elif COMMA in kinds:
        kinds = kinds - {LPAR}
    parts += [f"`{sign}`" for kind, sign in _SIGNS.items() if kind in kinds]
    parts += ["a name"] * (NAME in kinds) + ["nothing more"] * (END in kinds)
    if not parts:
        parts = [KINDS[kind].lower() for kind in sorted(kinds)] or ["something else"]
    return " or ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
