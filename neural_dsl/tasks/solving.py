"""What is right: the answer to any prompt, held out or not. No part of emitted scripts."""

from __future__ import annotations

import re
from typing import Any


def builds_on(task: Any, name: str) -> bool:
    """Whether a task is of the class of this name, this program's or an emitted file's
    own copy, or of one that builds on it."""
    return any(each.__name__ == name for each in type(task).__mro__)


def right_answer(task: Any, prompt: str) -> str | None:
    """The answer to a prompt that the task can read, as people write it.

    `task` may be of this program or of an emitted file, which has its own copy of the
    classes. None where the task has no one right answer. Raises ValueError for a prompt
    that it cannot read.
    """
    task.encode(prompt)
    if builds_on(task, "SequenceTask"):
        answer: str = task.decode(task.arrange(task.source(prompt))[1][0].tolist())
        return answer
    if builds_on(task, "Arithmetic"):
        numbers = re.fullmatch(r"(\d+)([+-])(\d+)=?", "".join(prompt.split()))
        assert numbers is not None, f"{prompt!r} was read, and is no problem"
        a, b = int(numbers[1]), int(numbers[3])
        return str(a + b if numbers[2] == "+" else a - b)
    return None
