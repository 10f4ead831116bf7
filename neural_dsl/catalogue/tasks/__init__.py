"""Tasks: what `task:` names, and what a compiler must know of each before it runs.

The tasks themselves are the files of `neural_dsl/tasks`. They need NumPy; what stands
here does not, and a test compares the two.
"""

from __future__ import annotations

from typing import Any

from neural_dsl.catalogue.settings import Table
from neural_dsl.catalogue.tasks.arithmetic import ARITHMETIC
from neural_dsl.catalogue.tasks.data import FROM_FILES
from neural_dsl.catalogue.tasks.sequences import SEQUENCES
from neural_dsl.catalogue.tasks.spec import TaskSpec

TASKS = Table(
    what="task",
    code="NE073",
    example="task: Copy(length=8, vocabulary=20)",
    specs=(
        ARITHMETIC,
        *SEQUENCES,
        *FROM_FILES,
    ),
)


def task_spec(name: str) -> TaskSpec:
    """The entry of a task by its canonical name."""
    spec: Any = TASKS.find(name)
    assert isinstance(spec, TaskSpec)
    return spec
