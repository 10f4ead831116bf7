"""What is right: the answer to any prompt, held out or not. No part of emitted scripts."""

from __future__ import annotations

import re
from typing import Any


def right_answer(task: Any, prompt: str) -> str | None:
    """The answer to a prompt that the task can read, as people write it.

    `task` may be of this program or of an emitted file, which has its own copy of the
    classes. None where the task has no one right answer. Raises ValueError for a prompt
    that it cannot read.
    """
    task.encode(prompt)
    match {each.__name__ for each in type(task).__mro__}:
        case names if "SequenceTask" in names:
            answer: str = task.decode(task.arrange(task.source(prompt))[1][0].tolist())
            return answer
        case names if "Arithmetic" in names:
            numbers = re.fullmatch(r"(\d+)([+-])(\d+)=?", "".join(prompt.split()))
            assert numbers is not None, f"{prompt!r} was read, and is no problem"
            a, b = int(numbers[1]), int(numbers[3])
            return str(a + b if numbers[2] == "+" else a - b)
        case _:
            return None
