"""`neural explain`: the page on a diagnostic code."""

from __future__ import annotations

import sys

import click

from neural_dsl.cli.console import rich_console, say
from neural_dsl.diagnostics.explain import codes, page, title


@click.command(
    epilog="""\b
Examples:
  neural explain NE021      what the code means, and how to mend the file
  neural explain            every code in one line each"""
)
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Explain a diagnostic CODE; without one, list them all."""
    if code is None:
        for known in codes():
            say(f"{known}  {title(known)}")
        return
    text = page(code)
    if sys.stdout.isatty():
        from rich.markdown import Markdown

        rich_console().print(Markdown(text))
    else:
        say(text.rstrip())
