"""The parse tables against the grammar, and the engine against Lark's own parser."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import lark
import pytest
from lark.lexer import Lexer, Token

from neural_dsl.diagnostics import Diagnostics, NeuralError
from neural_dsl.source import Source
from neural_dsl.syntax.build import Builder
from neural_dsl.syntax.kinds import KINDS, RULES
from neural_dsl.syntax.make_tables import GRAMMAR, STARTS, TABLES, make_tables
from neural_dsl.syntax.parser import parse
from neural_dsl.syntax.roles import Roles
from neural_dsl.syntax.tokens import Tokens, scan
from tests.regenerate_trees import FILES

TEXT = GRAMMAR.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_grammar() -> None:
    now = TABLES.read_text(encoding="utf-8")
    assert now == make_tables(TEXT), "run `python -m neural_dsl.syntax.make_tables`"


def test_the_grammar_has_no_conflicts(caplog: pytest.LogCaptureFixture) -> None:
    lark.logger.setLevel(logging.DEBUG)
    lark.logger.addHandler(caplog.handler)
    try:
        with_conflict = 'start: a "x" | "x"\na: "x" | '
        lark.Lark(with_conflict, parser="lalr", debug=True)
        assert "conflict" in caplog.text, "Lark does not log conflicts as it used to"
        caplog.clear()
        lark.Lark(TEXT, parser="lalr", lexer=_Retold, start=STARTS, debug=True)
        assert "conflict" not in caplog.text.lower()
    finally:
        lark.logger.removeHandler(caplog.handler)
        lark.logger.setLevel(logging.CRITICAL)


def test_every_rule_has_a_maker_or_hands_on_a_single_symbol() -> None:
    builder = Builder(scan(""), Diagnostics(Source("x", "")))
    for _, length, name in RULES:
        assert callable(builder.rule(name)) if name else length == 1


def test_parsing_needs_no_lark() -> None:
    program = (
        "import sys, neural_dsl.syntax.parser as p;"
        "p.parse(p.Source('x', 'network A { input: (1) layers: Dense(1) }'));"
        "assert not [m for m in sys.modules if m.split('.')[0] == 'lark']"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


class _Retold(Lexer):
    """Hands our tokens to Lark."""

    def __init__(self, conf: Any) -> None:
        pass

    def lex(self, data: Any) -> Iterator[Token]:  # type: ignore[override]
        for kind in data:
            yield Token(KINDS[kind], "", 0)


def kinds_of(text: str) -> list[int]:
    """The kinds of a text's tokens, roles given, without the end."""
    tokens: Tokens = scan(text)
    Roles(tokens, Diagnostics(Source("x", text))).assign()
    return [kind for kind in tokens.kinds if KINDS[kind] != "$END"]


@pytest.fixture(scope="module")
def oracle() -> lark.Lark:
    return lark.Lark(TEXT, parser="lalr", lexer=_Retold, start=STARTS)


def accepts(oracle: lark.Lark, kinds: list[int]) -> bool:
    try:
        oracle.parse(kinds, start="file")  # type: ignore[arg-type]
    except lark.exceptions.UnexpectedInput:
        return False
    return True


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_lark_accepts_what_the_engine_accepts(path: Any, oracle: lark.Lark) -> None:
    text = path.read_text(encoding="utf-8")
    assert accepts(oracle, kinds_of(text))


def test_lark_refuses_what_the_engine_refuses(oracle: lark.Lark) -> None:
    text = (FILES[0].parent / "macros.neural").read_text(encoding="utf-8")
    tokens = scan(text)
    refused = 0
    for token in range(
        len(tokens.kinds) - 3
    ):  # the file without one token, each in turn
        start, end = tokens.starts[token], tokens.ends[token]
        damaged = text[:start] + " " + text[end:]
        try:
            parse(Source("x", damaged))
            ok = True
        except NeuralError:
            ok = False
            refused += 1
        assert accepts(oracle, kinds_of(damaged)) is ok, damaged
    assert refused > 100
