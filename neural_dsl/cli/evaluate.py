"""`neural evaluate`: how good a trained run is, honestly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neural_dsl.cli.console import rich_console, say
from neural_dsl.cli.options import run_argument, trust_option, which_option
from neural_dsl.runs.metrics import in_words

if TYPE_CHECKING:
    from rich.table import Table

    from neural_dsl.runs.evaluation import Report

TITLES = {
    "position": "token of the answer",
    "length": "length of the source",
    "digits": "digits of both numbers",
    "carries": "problem",
}


@click.command(
    epilog="""\b
Examples:
  neural evaluate runs/addition
  neural evaluate runs/addition --format json | jq .attention"""
)
@run_argument
@which_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one object on stdout and nothing else.",
)
@trust_option
def command(run: Path, weights: str | None, form: str, trust: bool) -> None:
    """Test RUN's model on problems that it has never seen.

    Answers are decoded greedily and count when they are right as a whole. The attention
    check repeats the test with each layer's attention made uniform in turn: where the
    loss rises by less than 0.005 and right answers fall by less than 0.5%, the layer is
    decoration, and so are pictures of it.
    """
    from neural_dsl.api import as_run, evaluate

    report = evaluate(as_run(run, weights, trust))
    if form == "json":
        import json

        say(json.dumps(report.as_dict(), indent=2))
    else:
        print_report(report)


def print_report(report: Report) -> None:
    """The report as lines and tables."""
    console = rich_console()

    def line(text: str) -> None:
        console.print(text, markup=False)

    weights = f"{report.weights} weights of step {report.step:,}"
    problems = f"{report.count:,} problems of the {report.split} split"
    line(f"{report.model} on {report.backend}: {weights}, {problems}")
    words = ", ".join(in_words(name, value) for name, value in report.measures.items())
    if report.greedy is not None:
        right, count = report.greedy.right, report.greedy.count
        line(f"\nexact match {right}/{count} ({right / count:.1%}), decoded greedily")
        line(f"with the right tokens given: {words}")
    else:
        line(f"\n{words}")
        if report.perplexity is not None and "perplexity" not in report.measures:
            line(f"perplexity {report.perplexity:.2f} a token")
    if report.tokens is not None:
        most = "100% cannot be reached: some tokens cannot be foreseen"
        if report.ceiling is not None:
            most = f"the most that any model can reach is {report.ceiling:.0%}"
        line(f"tokens of answers: {report.tokens.share:.2%} right; {most}")
    for name, counts in report.tables.items():
        of_tokens = "each token, whatever the others are"
        meaning = of_tokens if name == "position" else "whole answers"
        table = _table(TITLES.get(name, name), "right", "of", meaning)
        for c in counts:
            table.add_row(c.label, str(c.right), str(c.count), f"{c.share:.1%}")
        console.print("", table)
    if report.attention:
        console.print("", _attention(report))
    if report.wrong:
        line("\nwrong answers:")
        for sample in report.wrong:
            line(f"  {sample.line()}")


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _attention(report: Report) -> Table:
    """Each attention with what is left when it is made uniform, and a word on it."""
    measure = report.measure if report.measure in report.measures else "loss"
    shown = list(dict.fromkeys((measure, "loss")))
    titles = [title for name in shown for title in (name.replace("_", " "), "change")]
    table = _table("attention made uniform", "heads", *titles, "")
    for each in report.attention:
        cells = []
        for name in shown:
            value = each.measures[name]
            change = value - report.measures[name]
            cells.append(in_words(name, value).rpartition(" ")[2])
            cells.append(f"{change:+.4f}" if name == "loss" else f"{change:+.1%}")
        cells.append("decoration" if each.decoration else "")
        table.add_row(each.attention, str(each.heads), *cells)
    return table
