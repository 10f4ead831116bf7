"""`neural train`: train a file's network, in a folder that can be resumed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from shlex import join
from typing import Any

import click

from neural_dsl.cli.console import note, say
from neural_dsl.cli.options import (
    FOLDER,
    SEED,
    backend_option,
    file_argument,
    network_option,
    trust_option,
)

INTERRUPTED = 130
flag = partial(click.option, is_flag=True)


@click.command(
    epilog="""\b
Examples:
  neural train examples/tasks/addition.neural
  neural train addition.neural --backend tensorflow --output-dir runs/tf
  neural train addition.neural --set train.batch_size=64 --set optimizer.learning_rate=1e-3
  neural train addition.neural --resume            after Ctrl-C, a crash or a power cut
  neural train addition.neural --overwrite         the lesson once more"""
)
@file_argument
@backend_option
@click.option(
    "--output-dir",
    type=FOLDER,
    metavar="DIR",
    help="Folder of the run.  [default: runs/{stem}]",
)
@click.option(
    "--epochs", type=click.IntRange(1), metavar="N", help="Short for train.epochs."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Change a setting of the file for this run; repeatable.",
)
@flag("--resume", help="Go on with the run in the folder.")
@flag("--overwrite", help="Train anew in the place of a finished run.")
@flag("--force", help="With --overwrite: of a run that is not finished, too.")
@click.option(
    "--device",
    metavar="DEVICE",
    help="auto, cpu, cuda, cuda:1.  [default: the file's, else auto]",
)
@click.option(
    "--seed",
    type=SEED,
    metavar="N",
    help="Short for train.seed: initial weights and batch order, never the data's split.",
)
@trust_option
@network_option
def command(
    file: Path,
    output_dir: Path | None,
    epochs: int | None,
    settings: tuple[str, ...],
    **options: Any,
) -> int:
    """Train FILE's network on its task.

    The folder receives model.neural and train.py (what is trained, and the very code
    that trains it), run.json, metrics.jsonl, a log, loss_curves.png, and as safetensors
    the best and the last weights and the state to resume from. Ctrl-C saves and stops.
    """
    from neural_dsl.api import train
    from neural_dsl.cli.progress import Progress, exact

    if options["resume"] and options["overwrite"]:
        raise click.UsageError("--resume goes on with a run, --overwrite removes it.")
    if options["force"] and not options["overwrite"]:
        raise click.UsageError("--force goes with --overwrite.")
    if epochs is not None:
        settings = (*settings, f"train.epochs={epochs}")
    outcome = train(file, output_dir, settings=settings, watcher=Progress(), **options)
    if outcome.status == "interrupted":
        again = ["neural", "train", str(file), "--resume"]
        chosen = {"--output-dir": output_dir, "--network": options["network"]}
        again += [s for k, v in chosen.items() if v for s in (k, str(v))]
        again += ["--trust"] * options["trust"]
        note(f"interrupted after step {outcome.step}; go on with: {join(again)}")
        return INTERRUPTED
    if outcome.status == "finished":
        say(f"{exact(outcome.test, outcome.measure)} on the test split")
        note(f"the run is in {outcome.folder}: look at loss_curves.png")
    return 0
