"""`neural compile`: code for a backend, or an earlier stage of it."""

from __future__ import annotations

from pathlib import Path

import click

from neural_dsl.cli.console import note, say
from neural_dsl.cli.options import (
    backend_option,
    checked_network,
    file_argument,
    network_option,
    to_stdout,
)
from neural_dsl.files import (
    quoted,
    refuse_overwriting,
    refuse_shadowing,
    write_text,
)


@click.command(
    epilog="""\b
Examples:
  neural compile model.neural --backend pytorch -o my_model.py
  neural compile model.neural --backend tensorflow | less
  neural compile model.neural --spell-out
  neural compile model.neural --emit ir"""
)
@file_argument
@backend_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="File to write; without it, or with -, the result goes to stdout.",
)
@click.option(
    "--emit",
    type=click.Choice(["code", "ir", "syntax"]),
    default="code",
    show_default=True,
    help="ir: the checked model graph. syntax: the parsed file, names unchecked.",
)
@click.option(
    "--spell-out",
    is_flag=True,
    help="Write softmax(Q Kᵀ / √d) V in the open, to read, in place of a fused kernel.",
)
@network_option
def command(
    file: Path,
    backend: str | None,
    output: Path | None,
    emit: str,
    spell_out: bool,
    network: str | None,
) -> None:
    """Write FILE's model as one readable Python file.

    The file needs its framework alone, never neural_dsl: run it, read it, paste it into
    your project.
    """
    if to_stdout(output):
        output = None
    if output is not None:
        refuse_shadowing(output)
        refuse_overwriting(output, file)
    text = emitted(file, backend, emit, spell_out, network, output)
    if output is None:
        say(text, end="")
    else:
        write_text(output, text)
        note(f"wrote {quoted(output)}")


def emitted(
    file: Path,
    backend: str | None,
    emit: str,
    spell_out: bool,
    network: str | None,
    output: Path | None,
) -> str:
    """The text of the wanted stage."""
    if emit == "syntax":
        from neural_dsl.syntax.dump import dump
        from neural_dsl.syntax.parser import parse, read_source

        return dump(parse(read_source(file)))
    checked = checked_network(file, network)
    if emit == "ir":
        from neural_dsl.graph.dump import dump as dump_graph

        return dump_graph(checked)
    from neural_dsl import api

    name = output.name if output else None
    target = api.backend_for_code(checked, backend)
    return api.emit(checked, target, name, spell_out=spell_out).code
