"""What commands share when they print: diagnostics, colours, notes on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from neural_dsl.diagnostics import Diagnostic
from neural_dsl.diagnostics.layout import safe

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def colours(stream: TextIO) -> bool:
    """Whether to colour: only a terminal, and not when NO_COLOR says otherwise."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not plain and stream.isatty()


def print_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Findings for a person, on stderr."""
    found = tuple(diagnostics)
    if found:
        from neural_dsl.diagnostics.render import render_text

        click.echo(render_text(found, colour=colours(sys.stderr)), err=True)


def say(text: str, *, end: str = "\n") -> None:
    """What was asked for, on stdout. What stands in a file or a model must not command a
    terminal: there, control characters are shown by a stand-in. A pipe gets the text."""
    shown = safe(text) if sys.stdout.isatty() else text
    click.echo(shown + end, nl=False)


def note(text: str) -> None:
    """A remark to the person who waits: stderr, so that results stay clean."""
    click.echo(safe(text), err=True)


def files_written(written: Sequence[Path], *families: str) -> None:
    """List them. Files of the same families (how their names begin) that an earlier call
    left in the folder are named too, so that nobody takes them for part of this one."""
    say("\nFiles written:")
    for path in written:
        say(f"  {path}")
    folder = written[0].parent
    left = sorted({one.name for each in families for one in folder.glob(f"{each}*")})
    older = [name for name in left if folder / name not in written]
    if older:
        more = f" and {len(older) - 5} more" if len(older) > 5 else ""
        note(f"\nOlder files that stay in {folder}: {', '.join(older[:5])}{more}")


def rich_console() -> Console:
    """Rich on stdout, as wide as the terminal, or as the content when it goes to a file."""
    return safe_console(sys.stdout, None if sys.stdout.isatty() else 1000)


def safe_console(stream: TextIO, width: int | None = None) -> Console:
    """Rich on a stream; of every string that it prints, control characters are shown."""
    from rich.console import Console

    class SafeConsole(Console):
        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(safe(text), **options)

    plain = not colours(stream)
    return SafeConsole(file=stream, no_color=plain, width=width, highlight=False)
