"""`neural predict`: answers of a trained run, one a line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neural_dsl.cli.console import note, say
from neural_dsl.cli.evaluate import run_argument, which_option
from neural_dsl.cli.options import trust_option

if TYPE_CHECKING:
    from neural_dsl.diagnostics import Diagnostic
    from neural_dsl.runs.loaded import LoadedRun

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

    from neural_dsl.runs.loaded import open_run

    loaded = open_run(run, weights, trust)
    said: set[str] = set()
    refused: list[Diagnostic] = []
    waiting = iter([(prompt, "") for prompt in prompts]) if prompts else lines()
    while chunk := list(islice(waiting, AT_ONCE)):
        answers, unreadable = loaded.predict_readable(chunk)
        refused += unreadable
        for answer in answers:
            say(answer or "")  # an empty line keeps the rest in step with their prompts
        answered = zip(chunk, answers, strict=True)
        read = [prompt for (prompt, _), answer in answered if answer is not None]
        say_what_is_beyond(loaded, read, said)
    if refused:
        from neural_dsl.diagnostics import NeuralError

        raise NeuralError(*refused)


def say_what_is_beyond(
    loaded: LoadedRun, prompts: Iterable[str], said: set[str]
) -> None:
    """A note on stderr for answers to what was never trained on: one of each kind, the
    kinds already `said` left out."""
    from neural_dsl.runs.prompts import beyond_training

    for prompt in prompts:
        remark = beyond_training(loaded.task, prompt)
        if remark and remark not in said:
            said.add(remark)
            note(f"{prompt}: {remark}")


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
