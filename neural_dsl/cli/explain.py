"""`neural explain`: the page on a diagnostic code."""

from __future__ import annotations

import sys
from difflib import get_close_matches

import click

from neural_dsl.cli.console import colours, rich_console
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.diagnostics.explain import all_codes, explain
from neural_dsl.files import quoted


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
        for known in all_codes():
            click.echo(f"{known}  {title(explain(known) or '')}")
        return
    text = explain(code)
    if text is None:
        raise NeuralError(unknown_code(code))
    if colours(sys.stdout):
        from rich.markdown import Markdown

        rich_console().print(Markdown(text))
    else:
        click.echo(text.rstrip())


def title(page: str) -> str:
    """The short title of a page: its first line without `# NE021: `."""
    return page.partition("\n")[0].partition(":")[2].strip()


def unknown_code(code: str) -> Diagnostic:
    """NE137, with the codes that look alike."""
    close = get_close_matches(code.strip().upper(), all_codes(), n=3, cutoff=0.75)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    return Diagnostic(
        "NE137",
        f"there is no diagnostic code {quoted(code)}",
        help=f"{meant}`neural explain` lists every code",
    )
