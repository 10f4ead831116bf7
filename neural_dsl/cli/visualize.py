"""`neural visualize`: the architecture, or with --attention every attention head."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from neural_dsl.cli import options as o
from neural_dsl.cli.console import note
from neural_dsl.cli.pictures import Request, draw
from neural_dsl.files import quoted, refuse_overwriting, write_bytes
from neural_dsl.syntax.parser import read_source
from neural_dsl.visualize.style import KINDS

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
@o.repeatable(
    *("--prompt", "prompts", "TEXT"),
    help="RUN: what its model answers while its attention is drawn; repeatable. The "
    "first held-out problem without.",
)
@o.repeatable(
    *("--text", "texts", "TEXT"),
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
@o.path_option(
    *("-o", "--output"),
    metavar="OUT",
    help="Architecture file.  [default: {stem}_architecture.{format} here]",
)
@o.network_option
@o.backend_option
@o.repeatable(
    *("--layer", "layers", "NAME|INDEX"),
    help="Only this attention layer, by name or counted from 0; repeatable.",
)
@o.repeatable(
    *("--head", "heads", "N"),
    type=int,
    help="Show this head in the heatmap instead of the average; repeatable. Grid and "
    "data files keep all.",
)
@o.data_option
@o.repeatable(
    *("--tokens", "tokens", "[NAME=]A,B,C"),
    help="Labels; without --data they also set the sequence length. Once for each input "
    "when there are several.",
)
@o.weights_option
@o.path_option(
    "--save-weights",
    metavar="W.safetensors",
    help="Save the weights that were used.",
)
@o.seed_option
@click.option(
    "--batch-item",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Which example the pictures show; metrics cover the whole batch.  [default: 0]",
)
@click.option(
    "--output-dir",
    type=o.FOLDER,
    metavar="DIR",
    default=Path("attention_outputs"),
    show_default=True,
    help="Folder for the files of --attention.",
)
@click.option(
    "--scale",
    type=click.Choice(KINDS),
    help="How weights become colours: their value, its root, its logarithm, or the "
    "weight times the number of allowed keys, with 1 in the middle. The data choose "
    "without, and the picture names it.",
)
@o.trust_option
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
    folders = [is_folder(file) for file in request.files]
    runs = any(folders)
    refuse_mixed_modes(context, request, runs)
    if request.evolution:
        from neural_dsl.cli.run_pictures import look_back

        draw(request, look_back)
    elif request.attention and runs:
        from neural_dsl.cli.run_pictures import look_at_runs

        draw(request, look_at_runs)
    elif request.attention:
        from neural_dsl.cli.attention import look_at_file

        draw(request, look_at_file)
    else:
        draw_architecture(request, runs)


def is_folder(path: Path) -> bool:
    """Whether it is one. Raises NeuralError for a name that is too long to be read."""
    with suppress(OSError):
        return path.is_dir()
    read_source(path)
    return False


def draw_architecture(request: Request, runs: bool) -> None:
    """Write the architecture, as a file with its source's name unless `-o` has another."""
    from neural_dsl.visualize.architecture import FORMATS, render

    (file,) = request.files
    name = file.resolve().name if runs else file.stem
    suffix = request.output.suffix.removeprefix(".").lower() if request.output else ""
    form = request.form or (suffix if suffix in FORMATS else "html")
    if not request.form and suffix and suffix not in (*FORMATS, "neural", "nr"):
        raise click.UsageError(
            f"the architecture can be drawn as {', '.join(FORMATS)}; "
            f"for a file ending in .{suffix} say which with --format."
        )
    if runs:
        from neural_dsl.runs.prepare import stored_network

        network = stored_network(file)[0]
    else:
        network = o.checked_network(file, request.network)
    if request.output is not None and o.named_output(request.output) is None:
        click.echo(render(network, form), nl=False)  # bytes, as a file has them
        return
    target = request.output or Path(f"{name}_architecture.{form}")
    refuse_overwriting(target, file)
    write_bytes(target, render(network, form))
    note(f"wrote {quoted(target)}")


def refuse_mixed_modes(context: click.Context, request: Request, runs: bool) -> None:
    """A usage error for the first option that was given and means nothing here."""
    from neural_dsl.visualize import architecture, figures

    given = {
        option.name: option.opts[0]
        for option in context.command.params
        if context.get_parameter_source(option.name or "")
        is click.core.ParameterSource.COMMANDLINE
    }

    def refuse(names: Iterable[str], message: str) -> None:
        for name in names:
            if name in given:
                raise click.UsageError(message.format(given[name]))

    attention, drawn = request.attention, request.attention or request.evolution
    if attention:
        refuse(["evolution"], "--attention and {} are two pictures.")
    if drawn:
        mode = "--attention" if attention else "--evolution"
        refuse(["output"], f"{{}} is for the architecture; {mode} takes --output-dir.")
    if not attention:
        other = EVOLUTION_TOO if request.evolution else ()
        names = [name for name in ATTENTION_ONLY if name not in other]
        refuse(names, "{} goes with --attention.")
    known = figures.FORMATS if drawn else architecture.FORMATS
    if request.form not in known:
        what = "attention pictures" if drawn else "the architecture"
        listed = ", ".join(known)
        refuse(["form"], f"{what} can be drawn as {listed}; not as {request.form}.")
    if runs:
        why = "{} goes with a FILE; a RUN has its own, and reads --prompt."
        refuse(FILE_ONLY, why)
        if request.data is not None:
            why = "A RUN reads --data, or --prompt and --text."
            refuse(["prompts", "texts"], why)
        if str(request.weights) not in ("best", "last"):
            refuse(["weights"], "--weights of a RUN is best or last.")
    else:
        why = "{} goes with a RUN, a folder that `neural train` made."
        refuse(RUN_ONLY, why)
    if len(request.files) > 1 and not (runs and attention):
        why = "Several can stand side by side only as RUNs, with --attention."
        raise click.UsageError(why)
