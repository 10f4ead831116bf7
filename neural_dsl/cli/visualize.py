"""`neural visualize`: the architecture, or with --attention every attention head."""

from __future__ import annotations

from pathlib import Path

import click

from neural_dsl.cli.console import note
from neural_dsl.cli.options import (
    backend_option,
    checked_network,
    data_option,
    file_argument,
    network_option,
    seed_option,
    weights_option,
)
from neural_dsl.files import quoted, refuse_overwriting, write_bytes

ARCHITECTURE_FORMATS = ("html", "svg", "png")
ATTENTION_FORMATS = ("png", "svg", "pdf")

# Options that mean something in one mode only: saying nothing about the others would be
# dropping what the user asked for.
ATTENTION_ONLY = (
    "backend",
    "layers",
    "heads",
    "data",
    "tokens",
    "weights",
    "save_weights",
    "seed",
    "batch_item",
    "output_dir",
)


@click.command(
    epilog="""\b
Examples:
  neural visualize model.neural                     model_architecture.html
  neural visualize model.neural --format svg -o model.svg
  neural visualize model.neural --attention --backend pytorch
  neural visualize model.neural --attention --tokens "The,cat,sat" --layer 0 --head 2
  neural visualize model.neural --attention --data x.npy --weights w.safetensors
  neural visualize translator.neural --attention --tokens source="a,b" --tokens target="c,d"
"""
)
@file_argument
@click.option("--attention", is_flag=True, help="Run the model and draw its attention.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "png", "svg", "pdf"]),
    help="Architecture: html, svg, png; default: as -o ends, else html. Attention: png "
    "(default), svg, pdf.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Architecture file.  [default: {stem}_architecture.{format} here]",
)
@network_option
@backend_option
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME|INDEX",
    help="Only this attention layer, by name or counted from 0; repeatable.",
)
@click.option(
    "--head",
    "heads",
    multiple=True,
    type=int,
    metavar="N",
    help="Show this head in the heatmap instead of the average; repeatable. Grid and "
    "data files keep all.",
)
@data_option
@click.option(
    "--tokens",
    multiple=True,
    metavar="[NAME=]A,B,C",
    help="Labels; without --data they also set the sequence length. Once for each input "
    "when there are several.",
)
@weights_option
@click.option(
    "--save-weights",
    type=click.Path(path_type=Path),
    metavar="W.safetensors",
    help="Save the weights that were used.",
)
@seed_option
@click.option(
    "--batch-item",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Which example the pictures show; metrics cover the whole batch.  [default: 0]",
)
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=Path("attention_outputs"),
    show_default=True,
    help="Folder for the files of --attention.",
)
@click.pass_context
def command(
    context: click.Context,
    /,
    file: Path,
    attention: bool,
    form: str | None,
    output: Path | None,
    network: str | None,
    **options: object,
) -> None:
    """Draw FILE: its architecture, or with --attention what every head attends to.

    With --attention the folder receives attention_heatmap.png, one
    attention_heads_LAYER.png for each layer, attention_interactive.html (works offline),
    compiled_model_BACKEND.py (the very code that was run), attention.npz and
    attention_metrics.json.
    """
    refuse_mixed_modes(context, attention, form)
    checked = checked_network(file, network)
    if attention:
        from neural_dsl.cli.attention import AttentionRequest, draw_attention

        request = AttentionRequest(file=file, form=form or "png", **options)  # type: ignore[arg-type]
        draw_attention(checked, request)
        return
    from neural_dsl.visualize.architecture import render

    suffix = output.suffix.removeprefix(".").lower() if output else ""
    form = form or (suffix if suffix in ARCHITECTURE_FORMATS else "html")
    target = output or Path(f"{file.stem}_architecture.{form}")
    refuse_overwriting(target, file)
    write_bytes(target, render(checked, form))
    note(f"wrote {quoted(target)}")


def refuse_mixed_modes(
    context: click.Context, attention: bool, form: str | None
) -> None:
    """A usage error for options of the other mode."""
    given = {
        name
        for name in context.params
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    if attention and "output" in given:
        raise click.UsageError(
            "-o is for the architecture; --attention takes --output-dir."
        )
    if not attention:
        for name in ATTENTION_ONLY:
            if name in given:
                option = next(p for p in context.command.params if p.name == name)
                raise click.UsageError(f"{option.opts[0]} goes with --attention.")
    allowed = ATTENTION_FORMATS if attention else ARCHITECTURE_FORMATS
    if form is not None and form not in allowed:
        what = "attention pictures" if attention else "the architecture"
        raise click.UsageError(
            f"{what} can be drawn as {', '.join(allowed)}; not as {form}."
        )
