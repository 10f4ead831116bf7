"""`neural data`: the problems of a task as text files."""

from __future__ import annotations

from pathlib import Path

import click

from neural_dsl.cli.console import note
from neural_dsl.cli.options import (
    FOLDER,
    checked_network,
    file_argument,
    network_option,
    trust_option,
)
from neural_dsl.files import quoted


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
    from neural_dsl.runs.task_files import package_task, refuse_without_task
    from neural_dsl.tasks.custom import trusted_task
    from neural_dsl.tasks.files import write_splits

    checked = checked_network(file, network)
    refuse_without_task(checked)
    setting = checked.task
    if setting is not None and setting.name == "Custom":
        folder = Path(checked.source.name).parent
        task = trusted_task(folder / setting.params["path"], trust)
    else:
        task = package_task(checked)
    for path in write_splits(task, output_dir):
        note(f"wrote {quoted(path)}")
