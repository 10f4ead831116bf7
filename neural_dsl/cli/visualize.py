"""`neural visualize`: the architecture, or with --attention every attention head."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from neural_dsl.cli.console import note
from neural_dsl.cli.options import (
    FOLDER,
    backend_option,
    checked_network,
    data_option,
    named_output,
    network_option,
    path_option,
    seed_option,
    trust_option,
    weights_option,
)
from neural_dsl.cli.pictures import Request
from neural_dsl.files import quoted, refuse_overwriting, write_bytes
from neural_dsl.graph.nodes import Network

ARCHITECTURE_FORMATS = ("html", "svg", "png")
ATTENTION_FORMATS = ("png", "svg", "pdf")
SCALES = ("linear", "sqrt", "log", "uniform")  # those of `visualize.scale`

# Options that mean something in one mode only: saying nothing about the others would be
# dropping what the user asked for.
EVOLUTION_TOO = ("output_dir", "scale")
ATTENTION_ONLY = (
    *("backend", "layers", "heads", "data", "tokens", "weights", "save_weights"),
    *("seed", "batch_item", *EVOLUTION_TOO, "prompts", "texts", "trust"),
)
RUN_ONLY = ("prompts", "texts", "evolution", "trust")
FILE_ONLY = ("network", "tokens", "save_weights", "seed", "batch_item")


@click.command(
    epilog="""\b
Examples:
  neural visualize model.neural                     model_architecture.html
  neural visualize model.neural --format svg -o model.svg
  neural visualize model.neural --attention --backend pytorch
  neural visualize model.neural --attention --tokens "The,cat,sat" --layer 0 --head 2
  neural visualize model.neural --attention --data x.npy --weights w.safetensors
  neural visualize translator.neural --attention --tokens source="a,b" --tokens target="c,d"
  neural visualize runs/addition --attention --prompt "47+85="
  neural visualize runs/copy runs/reverse --attention --prompt dabc:
  neural visualize runs/mine --attention --data x.npy
  neural visualize runs/addition --evolution
"""
)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE | RUN...",
)
@click.option("--attention", is_flag=True, help="Run the model and draw its attention.")
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    metavar="TEXT",
    help="RUN: what its model answers while its attention is drawn; repeatable. The "
    "first held-out problem without.",
)
@click.option(
    "--text",
    "texts",
    multiple=True,
    metavar="TEXT",
    help="RUN of a text: what it reads, without going on with it; repeatable.",
)
@click.option(
    "--evolution", is_flag=True, help="RUN: its attention as training went on."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "png", "svg", "pdf"]),
    help="Architecture: html, svg, png; default: as -o ends, else html. Attention: png "
    "(default), svg, pdf.",
)
@path_option(
    "-o",
    "--output",
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
@path_option(
    "--save-weights",
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
    type=FOLDER,
    metavar="DIR",
    default=Path("attention_outputs"),
    show_default=True,
    help="Folder for the files of --attention.",
)
@click.option(
    "--scale",
    type=click.Choice(SCALES),
    help="How weights become colours: their value, its root, its logarithm, or the "
    "weight times the number of allowed keys, with 1 in the middle. The data choose "
    "without, and the picture names it.",
)
@trust_option
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Draw FILE: its architecture, or with --attention what every head attends to.

    Or draw RUN, a folder of `neural train`: --attention shows its trained model while it
    answers prompts, several side by side, also of several runs; --evolution shows how
    attention came about.

    With --attention the folder receives attention_heatmap.png, one
    attention_heads_LAYER.png for each layer, attention_interactive.html (works offline),
    compiled_model_BACKEND.py (the very code that was run), attention.npz and
    attention_metrics.json.
    """
    request = Request(**options)
    given = given_options(context)
    refuse_mixed_modes(given, request)
    if any(file.is_dir() for file in request.files):
        refuse(
            given,
            FILE_ONLY,
            "{} goes with a FILE; a RUN has its own, and reads --prompt.",
        )
        draw_run(request)
    else:
        refuse(
            given, RUN_ONLY, "{} goes with a RUN, a folder that `neural train` made."
        )
        draw_file(request)


def draw_file(request: Request) -> None:
    """Draw a `.neural` file."""
    file = only_one(request.files)
    network = checked_network(file, request.network)
    if request.attention:
        from neural_dsl.cli.attention import draw_attention

        draw_attention(network, file, request)
    else:
        draw_architecture(network, file, file.stem, request)


def draw_run(request: Request) -> None:
    """Draw the folder of a run, or compare several."""
    if request.attention:
        from neural_dsl.cli.run_pictures import draw_runs

        if request.data is not None and (request.prompts or request.texts):
            raise click.UsageError("A RUN reads --data, or --prompt and --text.")
        if str(request.weights or "best") not in ("best", "last"):
            raise click.UsageError("--weights of a RUN is best or last.")
        draw_runs(request)
        return
    run = only_one(request.files)
    if request.evolution:
        from neural_dsl.cli.evolution import draw_evolution

        draw_evolution(run, request)
        return
    from neural_dsl.runs.prepare import stored_network

    draw_architecture(stored_network(run)[0], run, run.resolve().name, request)


def draw_architecture(
    network: Network, file: Path, name: str, request: Request
) -> None:
    """Write the architecture, as a file of that name unless `-o` has another."""
    from neural_dsl.visualize.architecture import render

    form = request.form or form_of(request.output)
    if request.output is not None and named_output(request.output) is None:
        click.echo(render(network, form), nl=False)  # bytes, as a file has them
        return
    target = request.output or Path(f"{name}_architecture.{form}")
    refuse_overwriting(target, file)
    write_bytes(target, render(network, form))
    note(f"wrote {quoted(target)}")


def form_of(output: Path | None) -> str:
    """The form that the name of the architecture's file asks for: html without one."""
    suffix = output.suffix.removeprefix(".").lower() if output else ""
    if suffix and suffix not in (*ARCHITECTURE_FORMATS, "neural", "nr"):
        raise click.UsageError(
            f"the architecture can be drawn as {', '.join(ARCHITECTURE_FORMATS)}; "
            f"for a file ending in .{suffix} say which with --format."
        )
    return suffix if suffix in ARCHITECTURE_FORMATS else "html"


def given_options(context: click.Context) -> dict[str, str]:
    """What stands on the command line: parameter name -> `--option`."""
    return {
        option.name: option.opts[0]
        for option in context.command.params
        if option.name is not None
        and context.get_parameter_source(option.name)
        is click.core.ParameterSource.COMMANDLINE
    }


def only_one(files: tuple[Path, ...]) -> Path:
    """The one file; several are for --attention of runs."""
    if len(files) > 1:
        raise click.UsageError(
            "Several can stand side by side only as RUNs, with --attention."
        )
    return files[0]


def refuse(given: dict[str, str], names: Iterable[str], message: str) -> None:
    """A usage error for the first of these options that was given."""
    for name in names:
        if name in given:
            raise click.UsageError(message.format(given[name]))


def refuse_mixed_modes(given: dict[str, str], request: Request) -> None:
    """A usage error for options of the other mode."""
    if request.attention and request.evolution:
        raise click.UsageError("--attention and --evolution are two pictures.")
    drawn = request.attention or request.evolution
    mode = "--attention" if request.attention else "--evolution"
    if drawn:
        where = f"is for the architecture; {mode} takes --output-dir."
        refuse(given, ["output"], f"{{}} {where}")
    if not request.attention:
        allowed = EVOLUTION_TOO if request.evolution else ()
        names = (name for name in ATTENTION_ONLY if name not in allowed)
        refuse(given, names, "{} goes with --attention.")
    known = ATTENTION_FORMATS if drawn else ARCHITECTURE_FORMATS
    if request.form is not None and request.form not in known:
        what = "attention pictures" if drawn else "the architecture"
        raise click.UsageError(
            f"{what} can be drawn as {', '.join(known)}; not as {request.form}."
        )
