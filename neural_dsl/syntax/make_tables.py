"""Turns `grammar/neural.lark` into `_tables.py`: `python -m neural_dsl.syntax.make_tables`.

Lark checks the grammar and computes the LALR(1) tables, which takes it a third of a
second; the parser then needs only the tables, and starts without Lark. The tables are
plain Python literals, so that they can be read, compared and compiled like any module.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lark import Lark
from lark.grammar import Rule, Terminal
from lark.lexer import TerminalDef, Token

GRAMMAR = Path(__file__).parents[2] / "grammar" / "neural.lark"
TABLES = Path(__file__).with_name("_tables.py")
STARTS = ["file", "value"]

_HEADER = '''"""Parse tables of `grammar/neural.lark`; made by make_tables.py, not by hand.

KINDS names the kinds of tokens; the scanner's group n finds kind n. ACTIONS has for each
state what to do on a kind: go to a state (0 and up), or reduce by rule ~n. GOTOS has for
each state where a reduced symbol leads. RULES are (symbol, length, builder method).
"""

# fmt: off
from __future__ import annotations

'''


class _Roles:
    """Keeps the terminals that only roles.py reads or gives in Lark's lexer."""

    always_accept = (
        *("LBRACE", "SPACE", "COMMENT"),
        *("OPEN_STRING", "OPEN_COMMENT", "UNKNOWN", "BAD_NUMBER"),
    )

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


def build(grammar: str) -> Lark:
    """The grammar as Lark sees it. Raises Lark's errors, for any conflict too."""
    return Lark(
        grammar,
        parser="lalr",
        lexer="basic",
        start=STARTS,
        postlex=_Roles(),
    )


def make_tables(grammar: str) -> str:
    """The text of `_tables.py` for a grammar's text."""
    lark = build(grammar)
    scanned = sorted(lark.terminals, key=_scanning_order)
    declared = sorted(_terminal_names(lark.rules) - {t.name for t in scanned})
    kinds = ["", *(t.name for t in scanned), *declared, "$END"]
    table = lark.parser.parser._parse_table
    order = _state_order(table)
    symbols = list(dict.fromkeys(rule.origin.name for rule in lark.rules))
    rules = list(lark.rules)
    actions, gotos = [], []
    for state in order:
        action: dict[int, int] = {}
        goto: dict[int, int] = {}
        for name, (_, target) in sorted(table.states[state].items()):
            if isinstance(target, Rule):
                action[kinds.index(name)] = ~rules.index(target)
            elif name in kinds:
                action[kinds.index(name)] = order[target]
            else:
                goto[symbols.index(name)] = order[target]
        actions.append(action)
        gotos.append(goto)
    return _HEADER + _literals(
        PATTERN="|".join(f"({t.pattern.to_regexp()})" for t in scanned),
        KINDS=tuple(kinds),
        IGNORED=frozenset(kinds.index(str(name)) for name in lark.ignore_tokens),
        RULES=tuple(
            (
                symbols.index(rule.origin.name),
                len(rule.expansion),
                str(rule.alias or ""),
            )
            for rule in rules
        ),
        STARTS={name: order[table.start_states[name]] for name in STARTS},
        ENDS={name: order[table.end_states[name]] for name in STARTS},
        ACTIONS=actions,
        GOTOS=gotos,
    )


def _scanning_order(terminal: TerminalDef) -> tuple[int, int, int, str]:
    """Lark's own order of terminals: priority, then the longer, then the name."""
    pattern = terminal.pattern
    return (
        -terminal.priority,
        -pattern.max_width,
        -len(pattern.value),
        terminal.name,
    )


def _terminal_names(rules: list[Rule]) -> set[str]:
    return {
        symbol.name
        for rule in rules
        for symbol in rule.expansion
        if isinstance(symbol, Terminal)
    }


def _state_order(table: Any) -> dict[Any, int]:
    """A number for each state that does not depend on the order in which Lark met them:
    breadth first from the start states, moves sorted by symbol."""
    order: dict[Any, int] = {}
    queue = [table.start_states[name] for name in STARTS]
    for state in queue:  # grows while it is walked
        if state not in order:
            order[state] = len(order)
            moves = sorted(table.states[state].items())
            queue += [to for _, (_, to) in moves if not isinstance(to, Rule)]
    return order


def _literals(**values: Any) -> str:
    lines = []
    for name, value in values.items():
        if isinstance(value, list):
            lines.append(f"{name}: tuple[dict[int, int], ...] = (")
            lines += [f"    {item!r}," for item in value]
            lines.append(")")
        elif isinstance(value, frozenset):
            lines.append(f"{name} = frozenset({sorted(value)!r})")
        else:
            lines.append(f"{name} = {value!r}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLES.write_text(make_tables(GRAMMAR.read_text(encoding="utf-8")), "utf-8")
