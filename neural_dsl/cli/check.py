"""`neural check`: every mistake of every file."""

from __future__ import annotations

from pathlib import Path

import click

from neural_dsl.cli.console import note, print_diagnostics
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.resolve.checking import check_all
from neural_dsl.syntax.parser import read_source, read_tree


@click.command(
    epilog="""\b
Examples:
  neural check model.neural
  neural check examples/*/*.neural
  neural check model.neural --format json | jq '.[].message'"""
)
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one array on stdout and nothing else.",
)
@click.pass_context
def command(context: click.Context, files: tuple[Path, ...], form: str) -> None:
    """Report every mistake in .neural files: syntax, names, parameters, shapes.

    Exits with 0 when every file is fine (warnings allowed) and with 1 otherwise.
    """
    found = [diagnostic for file in files for diagnostic in findings(file)]
    failed = any(diagnostic.severity == "error" for diagnostic in found)
    if form == "json":
        from neural_dsl.diagnostics.render import render_json

        click.echo(render_json(found))
    else:
        print_diagnostics(found)
        if not failed:
            count = "1 file" if len(files) == 1 else f"{len(files)} files"
            note(f"{count} checked, no errors")
    context.exit(1 if failed else 0)


def findings(file: Path) -> tuple[Diagnostic, ...]:
    """All that is to say about one file."""
    try:
        parsed = read_tree(read_source(file))
    except NeuralError as error:
        return error.diagnostics
    if parsed.tree is None:
        return parsed.diagnostics
    return check_all(parsed.tree, parsed.diagnostics)
