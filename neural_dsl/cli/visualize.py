"""`neural visualize`: the architecture, or with --attention every attention head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neural_dsl.cli.console import note
from neural_dsl.cli.options import (
    Folder,
    backend_option,
    checked_network,
    data_option,
    network_option,
    seed_option,
    to_stdout,
    trust_option,
    weights_option,
)
from neural_dsl.files import quoted, refuse_overwriting, write_bytes

ARCHITECTURE_FORMATS = ("html", "svg", "png")
ATTENTION_FORMATS = ("png", "svg", "pdf")
SCALES = ("linear", "sqrt", "log", "uniform")  # those of `visualize.scale`

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
    "scale",
    "prompts",
    "texts",
    "trust",
)
EVOLUTION_TOO = ("output_dir", "scale")
RUN_ONLY = ("prompts", "texts", "evolution", "trust")
FILE_ONLY = ("tokens", "save_weights", "seed", "batch_item", "network")


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
    type=Folder(),
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
def command(
    context: click.Context,
    /,
    files: tuple[Path, ...],
    attention: bool,
    evolution: bool,
    form: str | None,
    output: Path | None,
    network: str | None,
    prompts: tuple[str, ...],
    texts: tuple[str, ...],
    trust: bool,
    **options: Any,
) -> None:
    """Draw FILE: its architecture, or with --attention what every head attends to.

    Or draw RUN, a folder of `neural train`: --attention shows its trained model while it
    answers prompts, several side by side, also of several runs; --evolution shows how
    attention came about.

    With --attention the folder receives attention_heatmap.png, one
    attention_heads_LAYER.png for each layer, attention_interactive.html (works offline),
    compiled_model_BACKEND.py (the very code that was run), attention.npz and
    attention_metrics.json.
    """
    refuse_mixed_modes(context, attention, evolution, form)
    if any(file.is_dir() for file in files):
        refuse_file_options(context)
        if attention:
            from neural_dsl.cli.run_pictures import RunRequest, draw_runs

            if options["data"] is not None and (prompts or texts):
                raise click.UsageError("A RUN reads --data, or --prompt and --text.")
            draw_runs(
                RunRequest(
                    runs=files,
                    prompts=prompts,
                    texts=texts,
                    data=options["data"],
                    form=form or "png",
                    backend=options["backend"],
                    weights=which_weights(options["weights"]),
                    layers=options["layers"],
                    heads=options["heads"],
                    output_dir=options["output_dir"],
                    scale=options["scale"],
                    trust=trust,
                )
            )
            return
        if evolution:
            from neural_dsl.cli.evolution import draw_evolution

            draw_evolution(
                only_one(files), form or "png", options["output_dir"], options["scale"]
            )
            return
        from neural_dsl.runs.prepare import stored_network

        file = only_one(files)
        name = file.resolve().name
        checked, _ = stored_network(file)
    else:
        refuse_run_options(context)
        file = only_one(files)
        name = file.stem
        checked = checked_network(file, network)
    if attention:
        from neural_dsl.cli.attention import AttentionRequest, draw_attention

        request = AttentionRequest(file=file, form=form or "png", **options)
        draw_attention(checked, request)
        return
    from neural_dsl.visualize.architecture import render

    form = form or form_of(output)
    if output is not None and to_stdout(output):
        click.echo(render(checked, form), nl=False)  # bytes, as a file has them
        return
    target = output or Path(f"{name}_architecture.{form}")
    refuse_overwriting(target, file)
    write_bytes(target, render(checked, form))
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


def which_weights(wish: Path | None) -> str | None:
    """`best` or `last`: a run knows where its weights are."""
    if wish is None or str(wish) in ("best", "last"):
        return None if wish is None else str(wish)
    raise click.UsageError("--weights of a RUN is best or last.")


def refuse_file_options(context: click.Context) -> None:
    """A usage error for options that only a FILE takes."""
    for name, option in given_options(context).items():
        if name in FILE_ONLY:
            raise click.UsageError(
                f"{option} goes with a FILE; a RUN has its own, and reads --prompt."
            )


def refuse_run_options(context: click.Context) -> None:
    """A usage error for options that only a RUN takes."""
    for name, option in given_options(context).items():
        if name in RUN_ONLY:
            raise click.UsageError(
                f"{option} goes with a RUN, a folder that `neural train` made."
            )


def refuse_mixed_modes(
    context: click.Context, attention: bool, evolution: bool, form: str | None
) -> None:
    """A usage error for options of the other mode."""
    given = given_options(context)
    if attention and evolution:
        raise click.UsageError("--attention and --evolution are two pictures.")
    drawn = attention or evolution
    if drawn and "output" in given:
        mode = "--attention" if attention else "--evolution"
        raise click.UsageError(
            f"-o is for the architecture; {mode} takes --output-dir."
        )
    if not attention:
        for name in ATTENTION_ONLY:
            if name in given and not (evolution and name in EVOLUTION_TOO):
                raise click.UsageError(f"{given[name]} goes with --attention.")
    allowed = ATTENTION_FORMATS if drawn else ARCHITECTURE_FORMATS
    if form is not None and form not in allowed:
        what = "attention pictures" if drawn else "the architecture"
        raise click.UsageError(
            f"{what} can be drawn as {', '.join(allowed)}; not as {form}."
        )
