"""The kinds of tokens, as the numbers that the parse tables use."""

from __future__ import annotations

from neural_dsl.syntax._tables import KINDS

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
RECOVERED_ITEM, RECOVERED_SECTION = map(
    _number, ("RECOVERED_ITEM", "RECOVERED_SECTION")
)
RECOVERED_STATEMENT, RECOVERED_ENTRY = map(
    _number, ("RECOVERED_STATEMENT", "RECOVERED_ENTRY")
)
END = _number("$END")

OPENING = frozenset((LBRACE, BODY, GROUP, MAP, LPAR, LSQB))
CLOSING = {RBRACE: "}", RPAR: ")", RSQB: "]"}

INPUT_WORDS = frozenset(("input", "inputs"))
BLOCK_WORDS = frozenset(("train", "training", "execution", "execute"))
SECTION_WORDS = (
    INPUT_WORDS
    | BLOCK_WORDS
    | {"layers", "loss", "optimizer", "metrics", "lr_schedule", "task"}
)
"""Sections by name: they settle how braces are read where the content does not say."""
