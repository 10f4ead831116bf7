"""Addition and subtraction, digit by digit."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from neural_dsl.tasks.base import Split
from neural_dsl.tasks.problems import ProblemTask


class Arithmetic(ProblemTask):
    """Sums and differences of two numbers from 1 to `max_number`.

    The model reads `07+85=` and writes `092`: leading zeros keep every place at its
    position. The answer has one place more than the numbers, for the last carry or for
    a minus sign (`-04`). With `reverse_digits` the answer begins with its units, as one
    works it out by hand.
    """

    def __init__(
        self,
        operations: Sequence[str] = ("add", "subtract"),
        max_number: int = 99,
        reverse_digits: bool = False,
        **sizes: int,
    ):
        self.signs = [{"add": "+", "subtract": "-"}[name] for name in operations]
        self.max_number = max_number
        self.width = len(str(max_number))
        self.reverse_digits = reverse_digits
        self.symbols = ["PAD", *"0123456789", *self.signs, "="]
        self.max_length = 3 * self.width + 2
        super().__init__([(len(operations), max_number, max_number)], **sizes)

    def read(self, problems: np.ndarray) -> tuple[np.ndarray, ...]:
        """The operation, both numbers and the right result of each problem: (B,) each."""
        operation, a, b = problems[:, 0], problems[:, 1] + 1, problems[:, 2] + 1
        adds = np.array([sign == "+" for sign in self.signs])[operation]
        return operation, a, b, np.where(adds, a + b, a - b)

    def digits(self, numbers: np.ndarray, width: int) -> np.ndarray:
        """The ids of the digits of numbers (B,), the highest place first: (B, width)."""
        return numbers[:, None] // 10 ** np.arange(width)[::-1] % 10 + 1

    def write(self, problems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ids of prompts (B, 2 width + 2) and answers (B, width + 1)."""
        operation, a, b, result = self.read(problems)
        sign = operation + self.symbols.index(self.signs[0])
        equals = np.full_like(sign, self.symbols.index("="))
        numbers = self.digits(a, self.width), self.digits(b, self.width)
        prompts = [numbers[0], sign[:, None], numbers[1], equals[:, None]]
        answers = self.digits(abs(result), self.width + 1)
        if "-" in self.signs:
            answers[result < 0, 0] = self.symbols.index("-")
        answers = answers[:, ::-1] if self.reverse_digits else answers
        return np.concatenate(prompts, axis=1), answers

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """`12+34=` and `46`."""
        row = self.problems[split][index : index + 1]
        operation, a, b, result = (column.item() for column in self.read(row))
        return f"{a}{self.signs[operation]}{b}=", str(result)

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of `12+34=`; the `=` may be left out. Raises ValueError."""
        for symbol in prompt:
            if symbol not in self.symbols and not symbol.isspace():
                known = " ".join(self.symbols[1:])
                raise ValueError(f"unknown symbol {symbol!r}; the symbols are {known}")
        found = re.fullmatch(r"0*(\d+)([+-])0*(\d+)=?", "".join(prompt.split()))
        if found is None:
            example = f"12{self.signs[0]}34="
            raise ValueError(f"{prompt!r} is no problem such as {example}")
        a, sign, b = found.groups()
        for number in (a, b):
            if len(number) > self.width or int(number) > self.max_number:
                raise ValueError(f"{number} is above {self.max_number}")
        text = a.zfill(self.width) + sign + b.zfill(self.width) + "="
        return np.array([self.symbols.index(symbol) for symbol in text])

    def decode(self, ids: Sequence[int]) -> str:
        """The number that answer ids spell, or the symbols themselves if they do not."""
        symbols = [self.symbols[id] for id in ids]
        text = "".join(reversed(symbols) if self.reverse_digits else symbols)
        sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
        return sign + str(int(digits)) if digits.isdigit() else text

    def answer_length(self, prompt: str) -> int:
        """Always the same: every place, and one more."""
        return self.width + 1

    def attention_for(self, prompt: str) -> list[tuple[int, tuple[int, ...]]]:
        """A digit of the answer follows from both digits of the same place."""
        width, equals = self.width, 2 * self.width + 1
        known = []
        for place in range(width):  # 0: the units
            step = place if self.reverse_digits else width - place
            known.append((equals + step, (width - 1 - place, 2 * width - place)))
        return sorted(known)
