"""`neural predict`: answers of a trained run, one a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from neural_dsl.cli.evaluate import run_argument, which_option
from neural_dsl.cli.options import trust_option

AT_ONCE = 500  # prompts from stdin


@click.command(
    epilog="""\b
Examples:
  neural predict runs/addition --prompt "12+34="
  cut -d= -f1 problems.txt | neural predict runs/addition > answers.txt"""
)
@run_argument
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    metavar="TEXT",
    help="What to answer; repeatable. Without it, one prompt a line from stdin.",
)
@which_option
@trust_option
def command(
    run: Path, prompts: tuple[str, ...], weights: str | None, trust: bool
) -> None:
    """Print RUN's own answer to each prompt, decoded greedily, one a line."""
    if not prompts and sys.stdin.isatty():
        raise click.UsageError("Give --prompt TEXT, or prompts on stdin, one a line.")

    from neural_dsl.runs.loaded import open_run

    loaded = open_run(run, weights, trust)
    waiting = iter(prompts) if prompts else lines()
    while chunk := list(islice(waiting, AT_ONCE)):
        for answer in loaded.predict(chunk):
            click.echo(answer)


def lines() -> Iterator[str]:
    """The lines of stdin without their ends, and without the mark that some editors put
    before the first; empty ones are no prompts."""
    for number, line in enumerate(sys.stdin):
        if number == 0:
            line = line.removeprefix("\ufeff")
        if line.strip():
            yield line.rstrip("\r\n")
