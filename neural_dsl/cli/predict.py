"""`neural predict`: answers of a trained run, one a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path

import click

from neural_dsl.cli.console import note, say
from neural_dsl.cli.options import run_argument, trust_option, which_option

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
    """Print RUN's own answer to each prompt, decoded greedily, one a line.

    A prompt that cannot be read has an empty line, and is reported at the end.
    """
    if not prompts and sys.stdin.isatty():
        raise click.UsageError("Give --prompt TEXT, or prompts on stdin, one a line.")

    from neural_dsl.api import as_run
    from neural_dsl.diagnostics import Diagnostic, NeuralError
    from neural_dsl.runs.prompted import predicted

    loaded = as_run(run, weights, trust)
    remarks: set[str] = set()  # of each kind one is enough
    refused: list[Diagnostic] = []
    waiting = iter([(prompt, "") for prompt in prompts]) if prompts else lines()
    while chunk := list(islice(waiting, AT_ONCE)):
        answers, unreadable = predicted(loaded, chunk)
        refused += unreadable
        for each in answers:
            say(each.text if each else "")  # an empty line keeps the rest in step
        for each in filter(None, answers):
            if each.remark and each.remark not in remarks:
                remarks.add(each.remark)
                note(f"{each.prompt}: {each.remark}")
    if refused:
        raise NeuralError(*refused)


def lines() -> Iterator[tuple[str, str]]:
    """The lines of stdin without their ends, and without the mark that some editors put
    before the first, each with its place; empty ones are no prompts."""
    if isinstance(sys.stdin, TextIOWrapper):  # a foreign byte is for its line to report
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    for number, line in enumerate(sys.stdin, 1):
        if number == 1:
            line = line.removeprefix("\ufeff")
        if line.strip():
            yield line.rstrip("\r\n"), f" in line {number}"
