"""A task's splits as text files, one problem a line. No part of emitted scripts."""

from __future__ import annotations

from pathlib import Path

from neural_dsl.diagnostics import refusal
from neural_dsl.files import OutputFolder, output_errors
from neural_dsl.tasks.base import Split, Task
from neural_dsl.tasks.text import Text

FILES: dict[Split, str] = {
    "train": "train.txt",
    "validation": "val.txt",
    "test": "test.txt",
}


def split_text(task: Task, split: Split) -> str:
    """All problems of a split, a line each (`12+34=46`); of a text, that part of it.

    Raises NotImplementedError for a task without a text form.
    """
    if isinstance(task, Text):
        return task.text_of(split)
    lines = ("".join(task.problem(split, i)) for i in range(task.size(split)))
    return "".join(f"{line}\n" for line in lines)


def write_splits(task: Task, folder: Path) -> list[Path]:
    """Write train.txt, val.txt and test.txt, all or none; returns their paths.

    Raises NeuralError: NE134 when the folder cannot be written, NE153 when the task's
    examples have no text form.
    """
    try:
        texts = {name: split_text(task, split) for split, name in FILES.items()}
    except NotImplementedError:
        raise refusal(
            "NE153",
            f"the examples of {type(task).__name__} have no text form",
            help="tasks of symbols and texts have one, such as Copy or Arithmetic",
        ) from None
    with OutputFolder(folder) as output, output_errors(folder):
        for name, text in texts.items():
            output.staged(name).write_text(text, encoding="utf-8", newline="\n")
        return output.commit()
