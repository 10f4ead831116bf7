"""What models can learn: for each task what `task:` names, and the examples, prompts,
answers and known attention. The scripts that train draw the same examples.
"""

from __future__ import annotations

from typing import Any

from neural_dsl.catalogue.settings import Table
from neural_dsl.tasks.arithmetic import ARITHMETIC
from neural_dsl.tasks.arrays import ARRAYS
from neural_dsl.tasks.custom import CUSTOM
from neural_dsl.tasks.patterns import PATTERN_COMPLETION
from neural_dsl.tasks.sequences import SEQUENCES
from neural_dsl.tasks.spec import TaskSpec
from neural_dsl.tasks.text import TEXT

TASKS = Table(
    what="task",
    code="NE073",
    example="task: Copy(length=8, vocabulary=20)",
    specs=(ARITHMETIC, *SEQUENCES, PATTERN_COMPLETION, TEXT, ARRAYS, CUSTOM),
)


def task_spec(name: str) -> TaskSpec:
    """The entry of a task by its canonical name."""
    spec: Any = TASKS.find(name)
    assert isinstance(spec, TaskSpec)
    return spec
