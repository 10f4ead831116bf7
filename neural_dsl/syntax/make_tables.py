"""Turns `grammar/neural.lark` into `tables.json`: `python -m neural_dsl.syntax.make_tables`.

Lark checks the grammar and computes the LALR(1) tables, which takes it a third of a
second; the parser then needs only the tables, and starts without Lark.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lark import Lark
from lark.grammar import Rule

GRAMMAR = Path(__file__).parents[2] / "grammar" / "neural.lark"
TABLES = Path(__file__).with_name("tables.json")
STARTS = ["file", "value"]
UNUSED = ("LBRACE", "OPEN_STRING", "OPEN_COMMENT", "UNKNOWN", "BAD_NUMBER")
"""Terminals of no rule, which roles.py and mistakes.py read."""


def make_tables(grammar: str) -> str:
    """The text of `tables.json` for a grammar's text, as `kinds.py` reads it. Raises
    Lark's errors, for any conflict too."""
    kept = SimpleNamespace(always_accept=UNUSED, process=iter)
    lark = Lark(grammar, parser="lalr", lexer="basic", start=STARTS, postlex=kept)
    rules, table = list(lark.rules), lark.parser.parser._parse_table
    scanned = lark._build_lexer().terminals  # in the order in which they are tried
    used = (symbol for rule in rules for symbol in rule.expansion if symbol.is_term)
    given = {symbol.name for symbol in used} - {t.name for t in scanned}
    kinds = ["", *(t.name for t in scanned), *sorted(given), "$END"]
    symbols = list(dict.fromkeys(rule.origin.name for rule in rules))
    order = _state_order(table)
    actions: list[list[int]] = [[] for _ in order]  # keys and values in turn
    gotos: list[list[int]] = [[] for _ in order]
    for state, number in order.items():
        for name, (_, target) in sorted(table.states[state].items()):
            if isinstance(target, Rule):
                actions[number] += kinds.index(name), ~rules.index(target)
            elif name in kinds:
                actions[number] += kinds.index(name), order[target]
            else:
                gotos[number] += symbols.index(name), order[target]
    rows = [
        (symbols.index(rule.origin.name), len(rule.expansion), str(rule.alias or ""))
        for rule in rules
    ]
    tables = {
        "pattern": "|".join(f"({t.pattern.to_regexp()})" for t in scanned),
        "ignored": sorted(kinds.index(str(name)) for name in lark.ignore_tokens),
        "starts": {name: order[table.start_states[name]] for name in STARTS},
        "ends": {name: order[table.end_states[name]] for name in STARTS},
        "kinds": kinds,
        "rules": rows,
        "actions": actions,
        "gotos": gotos,
    }
    lines = (f'"{name}": {json.dumps(value)}' for name, value in tables.items())
    return "{" + ",\n".join(lines) + "}\n"


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


if __name__ == "__main__":
    TABLES.write_text(make_tables(GRAMMAR.read_text(encoding="utf-8")), "utf-8")
