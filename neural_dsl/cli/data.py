"""`neural data`: the problems of a task as text files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neural_dsl.cli.console import note
from neural_dsl.cli.options import (
    FOLDER,
    checked_network,
    file_argument,
    network_option,
    trust_option,
)
from neural_dsl.diagnostics import refusal
from neural_dsl.files import OutputFolder, output_errors, quoted
from neural_dsl.tasks.base import SPLITS, Split
from neural_dsl.tasks.text import Text

FILES = dict(zip(SPLITS, ("train.txt", "val.txt", "test.txt"), strict=True))


@click.command(
    epilog="""\b
Examples:
  neural data examples/tasks/addition.neural
  neural data addition.neural --output-dir data/addition
  neural data addition.neural && head -3 data/test.txt"""
)
@file_argument
@click.option(
    "--output-dir",
    type=FOLDER,
    metavar="DIR",
    default=Path("data"),
    show_default=True,
    help="Folder for the three files; old ones of these names are replaced.",
)
@trust_option
@network_option
def command(file: Path, output_dir: Path, trust: bool, network: str | None) -> None:
    """Write the problems of FILE's task: train.txt, val.txt and test.txt.

    A problem a line, as people write it: 12+34=46. No problem of one file stands in
    another. Which problems are held out depends on the task's data_seed alone, so these
    are the very ones that training, validation and the test use.
    """
    from neural_dsl.runs import task_files

    checked = checked_network(file, network)
    task_files.refuse_without_task(checked)
    task_files.refuse_untrusted(checked, trust)
    task: Any = task_files.run_task(checked)
    texts = {name: split_text(task, split) for split, name in FILES.items()}
    with OutputFolder(output_dir) as output, output_errors(output_dir):
        for name, text in texts.items():
            output.staged(name).write_text(text, encoding="utf-8", newline="\n")
        written = output.commit()
    for path in written:
        note(f"wrote {quoted(path)}")


def split_text(task: Any, split: Split) -> str:
    """All problems of a split, a line each (`12+34=46`); of a text, that part of it.
    Raises NeuralError NE153 where examples have no text form."""
    if isinstance(task, Text):
        return task.text_of(split)
    try:
        lines = ["".join(task.problem(split, i)) for i in range(task.size(split))]
    except NotImplementedError:
        raise refusal(
            "NE153",
            f"the examples of {type(task).__name__} have no text form",
            help="tasks of symbols and texts have one, such as Copy or Arithmetic",
        ) from None
    return "".join(f"{line}\n" for line in lines)
