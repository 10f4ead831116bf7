"""What commands share when they print: diagnostics, colours, notes on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from neural_dsl.diagnostics import Diagnostic

if TYPE_CHECKING:
    from rich.console import Console


def colours(stream: TextIO) -> bool:
    """Whether to colour: only a terminal, and not when NO_COLOR says otherwise."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def print_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Findings for a person, on stderr."""
    found = tuple(diagnostics)
    if found:
        from neural_dsl.diagnostics.render import render_text

        click.echo(render_text(found, colour=colours(sys.stderr)), err=True)


def print_json(diagnostics: Iterable[Diagnostic]) -> None:
    """Findings for a program: one JSON array on stdout."""
    from neural_dsl.diagnostics.render import render_json

    click.echo(render_json(tuple(diagnostics)))


def note(text: str) -> None:
    """A remark to the person who waits: stderr, so that results stay clean."""
    click.echo(text, err=True)


def files_written(written: Sequence[Path], family: str) -> None:
    """List them. Files of the same `family` (how their names begin) that an earlier call
    left in the folder are named too, so that nobody takes them for part of this one."""
    click.echo("\nFiles written:")
    for path in written:
        click.echo(f"  {path}")
    folder = written[0].parent
    left = sorted(path.name for path in folder.glob(f"{family}*"))
    older = [name for name in left if folder / name not in written]
    if older:
        more = f" and {len(older) - 5} more" if len(older) > 5 else ""
        note(f"\nOlder files that stay in {folder}: {', '.join(older[:5])}{more}")


def rich_console() -> Console:
    """Rich on stdout, as wide as the terminal, or as the content when it goes to a file."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(
        file=sys.stdout,
        no_color=not colours(sys.stdout),
        width=None if terminal else 1000,
        highlight=False,
        soft_wrap=False,
    )
