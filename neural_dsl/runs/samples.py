"""Some problems of the validation and what the model really answers to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neural_dsl.runs.decoding import greedy
from neural_dsl.tasks.custom import has_answers

if TYPE_CHECKING:
    from neural_dsl.backends.training import BaseTraining
    from neural_dsl.tasks.base import Task

LOOKED_AT = 32  # problems, the same ones each time
SHOWN = 3  # right ones, and as many wrong ones


@dataclass(frozen=True)
class Sample:
    """A prompt, what the model wrote, and what is right."""

    prompt: str
    answer: str
    expected: str

    @property
    def right(self) -> bool:
        """Whether the whole answer is right."""
        return self.answer == self.expected

    def line(self) -> str:
        """`12+34=46`, or `12+34=45, not 46`."""
        wrong = "" if self.right else f", not {self.expected}"
        return f"{self.prompt}{self.answer}{wrong}"


def sample_predictions(task: Task, training: BaseTraining) -> list[Sample]:
    """A few right answers and a few wrong ones; none for tasks without answers."""
    if not has_answers(task):
        return []
    count = min(LOOKED_AT, task.size("validation"))
    problems = [task.problem("validation", index) for index in range(count)]
    prompts = [prompt for prompt, _ in problems]
    length = training.input_length
    answers = greedy(training.logits, task, prompts, length)
    samples = [
        Sample(prompt, answer, expected)
        for (prompt, expected), answer in zip(problems, answers, strict=True)
    ]
    right = [sample for sample in samples if sample.right][:SHOWN]
    wrong = [sample for sample in samples if not sample.right][:SHOWN]
    return right + wrong
