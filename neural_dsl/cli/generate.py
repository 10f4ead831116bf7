"""`neural generate`: text that goes on from a prompt."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from neural_dsl.cli.console import say
from neural_dsl.cli.options import SEED, run_argument, trust_option, which_option


def finite(context: click.Context, option: click.Parameter, value: float) -> float:
    """Refuse NaN and infinity, which are floats of 0 or more to Click."""
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no temperature.")
    return value


@click.command(
    epilog="""\b
Examples:
  neural generate runs/gpt --prompt "To be" --max-tokens 200
  neural generate runs/gpt --prompt "To be" --temperature 0.8 --top-k 20 --seed 1"""
)
@run_argument
@click.option("--prompt", required=True, metavar="TEXT", help="How the text begins.")
@click.option(
    "--temperature",
    type=click.FloatRange(0),
    callback=finite,
    default=1.0,
    show_default=True,
    help="Below 1: more of what is likely; 0: always the likeliest token.",
)
@click.option(
    "--top-k",
    type=click.IntRange(1),
    metavar="K",
    help="Choose among the K likeliest tokens only.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="How many tokens to write.",
)
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    metavar="N",
    help="The same seed gives the same text.",
)
@which_option
@trust_option
def command(
    run: Path, prompt: str, weights: str | None, trust: bool, **options: Any
) -> None:
    """Write a text that goes on from a prompt, with the language model of RUN."""
    from neural_dsl.runs.loaded import open_run
    from neural_dsl.runs.prompted import generate_text

    say(generate_text(open_run(run, weights, trust), prompt, **options))
