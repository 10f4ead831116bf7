"""Addition and subtraction, digit by digit."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from neural_dsl.catalogue.tasks.arithmetic import arithmetic_symbols
from neural_dsl.tasks.base import Split
from neural_dsl.tasks.problems import ProblemTask


class Arithmetic(ProblemTask):
    """Sums and differences of two numbers from 1 to `max_number`.

    The model reads `07+85=` and writes `092`: leading zeros keep every place at its
    position, and sums have one place more, for the last carry. Where differences are
    asked for, the answer begins with its sign: `07-85=` gives `-078`. With
    `reverse_digits` the digits come in the order in which one works them out by hand,
    the units first: `290` and `-870`.
    """

    def __init__(
        self,
        operations: Sequence[str] = ("add", "subtract"),
        max_number: int = 99,
        reverse_digits: bool = False,
        **sizes: int,
    ):
        self.max_number, self.reverse_digits = max_number, reverse_digits
        self.symbols = arithmetic_symbols(operations)
        self.width = len(str(self.max_number))
        self.places = self.width + ("add" in operations)  # of an answer
        self.signed = "subtract" in operations
        self.signs = [{"add": "+", "subtract": "-"}[name] for name in operations]
        self.max_length = 2 * self.width + 1 + self.signed + self.places
        super().__init__(len(self.signs) * max_number**2, **sizes)

    def random(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Random problems: which of two signs, and both numbers (count, 3); the numbers
        alone where there is one sign."""
        end = self.max_number + 1
        if len(self.signs) == 1:
            return rng.integers(1, end, size=(count, 2))
        return rng.integers((0, 1, 1), (2, end, end), size=(count, 3))

    def write(self, problems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ids of prompts `a+b=` (B, 2 width + 2) and of their answers."""
        *which, a, b = problems.T
        chosen = which[0] if which else np.zeros_like(a)
        signs = np.array([self.symbols.index(sign) for sign in self.signs])[chosen]
        result = np.where(signs == self.symbols.index("+"), a + b, a - b)
        prompts = [
            self.digits(a, self.width),
            signs[:, None],
            self.digits(b, self.width),
            np.full((len(a), 1), self.symbols.index("=")),
        ]
        answers = self.digits(abs(result), self.places)
        answers = answers[:, ::-1] if self.reverse_digits else answers
        if self.signed:  # "-" comes right after "+"
            plus = self.symbols.index("+")
            answers = np.column_stack([plus + (result < 0), answers])
        return np.concatenate(prompts, axis=1), answers

    def digits(self, numbers: np.ndarray, width: int) -> np.ndarray:
        """The ids of the digits of numbers (B,), the highest place first: (B, width)."""
        return numbers[:, None] // 10 ** np.arange(width)[::-1] % 10 + 1

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """`12+34=` and `46`."""
        prompt, answer = self.example(split, index)
        return self.short("".join(self.symbols[i] for i in prompt)), self.decode(answer)

    def short(self, prompt: str) -> str:
        """`7+85=` for `07+85=`."""
        a, sign, b = self.read(prompt)
        return f"{a}{sign}{b}="

    def read(self, prompt: str) -> tuple[int, str, int]:
        """Both numbers of a prompt and the sign between them. Raises ValueError."""
        for symbol in prompt:
            if symbol not in self.symbols and not symbol.isspace():
                known = " ".join(self.symbols[1:])
                raise ValueError(f"unknown symbol {symbol!r}; the symbols are {known}")
        found = re.fullmatch(r"\s*0*(\d+)\s*([+-])\s*0*(\d+)\s*=?\s*", prompt)
        if found is None or found[2] not in self.signs:
            example = f"12{self.signs[0]}34="
            raise ValueError(f"{prompt!r} is not a problem such as {example}")
        a, sign, b = found.groups()
        for number in (a, b):
            if len(number) > self.width or int(number) > self.max_number:
                raise ValueError(f"{number} is above this task's {self.max_number}")
        return int(a), sign, int(b)

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of `12+34=`; the `=` may be left out. Raises ValueError."""
        a, sign, b = self.read(prompt)
        which = [self.signs.index(sign)] * (len(self.signs) > 1)
        return self.write(np.array([[*which, a, b]]))[0].flatten()

    def solve(self, prompt: str) -> str:
        """`46` for `12+34=`."""
        a, sign, b = self.read(prompt)
        return str(a + b if sign == "+" else a - b)

    def decode(self, ids: Sequence[int]) -> str:
        """The number that answer ids spell, or the symbols themselves if they do not."""
        text = "".join(self.symbols[id] for id in ids)
        sign, digits = (text[:1], text[1:]) if self.signed else ("+", text)
        digits = digits[::-1] if self.reverse_digits else digits
        if sign not in ("+", "-") or not digits.isdigit():
            return text
        return sign.strip("+") + str(int(digits))

    def answer_length(self, prompt: str) -> int:
        """A sign where differences are asked for, and every place."""
        return self.signed + self.places

    def attention_for(self, prompt: str) -> list[tuple[int, tuple[int, ...]]]:
        """A digit of the answer follows from both digits of the same place."""
        first = 2 * self.width + 1 + self.signed  # predicts the answer's first digit
        known = []
        for place in range(self.width):  # 0: the units
            step = place if self.reverse_digits else self.places - 1 - place
            keys = (self.width - 1 - place, 2 * self.width - place)
            known.append((first + step, keys))
        return sorted(known)
