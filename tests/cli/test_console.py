"""What reaches a terminal is text: no file and no model can command it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from neural_dsl.cli import console
from neural_dsl.cli.console import note, safe_console, say

HOSTILE = "\x1b]0;owned\x07 \u202egnp.exe \x9b2J\n\ttab \x00"
CLI = Path(console.__file__).parent


@pytest.fixture
def terminal(monkeypatch, capsys):
    """stdout and stderr as a terminal."""
    from _pytest.capture import CaptureIO

    monkeypatch.setattr(CaptureIO, "isatty", lambda stream: True, raising=False)
    return capsys


def no_command(text):
    return all(one.isprintable() or one == "\n" for one in text)


def test_results_and_remarks_cannot_command_a_terminal(terminal):
    say(HOSTILE)
    note(HOSTILE)
    shown = terminal.readouterr()
    assert no_command(shown.out) and no_command(shown.err)
    assert "␛]0;owned␇ <U+202E>gnp.exe" in shown.out and shown.out.count("\n") == 2


def test_a_pipe_gets_a_result_as_it_is(capsys):
    say(HOSTILE)
    assert capsys.readouterr().out == HOSTILE + "\n"


def test_tables_cannot_either(terminal, monkeypatch):
    from rich.table import Table

    monkeypatch.setenv("NO_COLOR", "1")
    table = Table("a", HOSTILE)
    table.add_row(HOSTILE, "x")
    out = safe_console(sys.stdout, 120)
    out.print(table)
    out.print(HOSTILE, markup=False)
    assert no_command(
        terminal.readouterr().out.replace("\x1b[1m", "").replace("\x1b[0m", "")
    )


def test_commands_print_by_this_module_alone():
    """`click.echo` shows texts as they are: only what is made here goes by it."""
    allowed = {"console.py", "program.py", "check.py"}
    for path in CLI.glob("*.py"):
        if path.name in allowed:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called not in ("print", "Console"), f"{path.name}: {called}"
            if called == "click.echo":  # a picture's bytes
                assert ast.unparse(node.args[0]).startswith("render("), path.name


def test_explain_is_laid_out_on_every_terminal(neural, terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    shown = neural("explain", "NE021").out
    assert not shown.lstrip().startswith("# ") and "```" not in shown
    assert "NE021: the heads must share the model width evenly" in shown
