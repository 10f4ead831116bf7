"""`neural compile`: code for a backend, or an earlier stage of it."""

from __future__ import annotations

from pathlib import Path

import click

from neural_dsl.cli import options
from neural_dsl.cli.console import note, say
from neural_dsl.files import quoted, refuse_overwriting, refuse_shadowing, write_text
from neural_dsl.syntax.parser import parse, read_source


@click.command(
    epilog="""\b
Examples:
  neural compile model.neural --backend pytorch -o my_model.py
  neural compile model.neural --backend tensorflow | less
  neural compile model.neural --spell-out
  neural compile model.neural --emit ir"""
)
@options.file_argument
@options.backend_option
@options.path_option(
    "-o",
    "--output",
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
@options.network_option
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
    output = options.named_output(output)
    if output is not None:
        refuse_shadowing(output)
        refuse_overwriting(output, file)
    if emit == "syntax":
        from neural_dsl.syntax.dump import dump

        text = dump(parse(read_source(file)))
    elif emit == "ir":
        from neural_dsl.graph.dump import dump as dump_graph

        text = dump_graph(options.checked_network(file, network))
    else:
        from neural_dsl.compiler import emit as emit_code

        checked = options.checked_network(file, network)
        name = output.name if output else None
        text = emit_code(checked, backend, name, spell_out=spell_out).code
    if output is None:
        say(text, end="")
    else:
        write_text(output, text)
        note(f"wrote {quoted(output)}")
