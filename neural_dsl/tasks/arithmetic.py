"""Addition and subtraction, digit by digit."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from copy import copy
from itertools import product
from typing import Any

from neural_dsl.catalogue.spec import LayerProblem, Params, parameter
from neural_dsl.tasks.base import Split
from neural_dsl.tasks.lazy import np
from neural_dsl.tasks.problems import SIZES, ProblemSpec, ProblemTask, check_space

MAX_DIGITS = 18
"""Numbers with more places do not fit into 64 bits."""
UNSEEN = 200  # pairs of longer numbers than training has
LONGER = 4  # places more that are tried
MOST_DIGITS = 9  # of them: pairs still fit into 64 bits
PLACES = ("units", "tens", "hundreds", "thousands")


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
        self.width = len(str(self.max_number))
        self.places = self.width + ("add" in operations)  # of an answer
        self.signed = "subtract" in operations  # so each answer begins with its sign
        self.symbols = ["PAD", *string.digits, "=", *("+-" if self.signed else "+")]
        self.signs = [{"add": "+", "subtract": "-"}[name] for name in operations]
        self.max_length = self.input_length()
        super().__init__(len(self.signs) * max_number**2, **sizes)

    def input_length(self) -> int:
        """Two numbers, two symbols, and the answer but for its last symbol."""
        return 2 * self.width + 1 + self.signed + self.places

    def every(self) -> Iterator[Sequence[int]]:
        """All problems, rows as `random` draws them."""
        which = [range(len(self.signs))] if len(self.signs) > 1 else []
        numbers = range(1, self.max_number + 1)
        yield from product(*which, numbers, numbers)

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
        plus = self.symbols.index("+")
        result = np.where(signs == plus, a + b, a - b)
        left, right = self.digits(a, self.width), self.digits(b, self.width)
        equals = np.full((len(a), 1), self.symbols.index("="))
        prompts = np.concatenate([left, signs[:, None], right, equals], axis=1)
        answers = self.digits(abs(result), self.places)
        answers = answers[:, ::-1] if self.reverse_digits else answers
        if self.signed:  # "-" comes right after "+"
            answers = np.column_stack([plus + (result < 0), answers])
        return prompts, answers

    def digits(self, numbers: np.ndarray, width: int) -> np.ndarray:
        """The ids of the digits of numbers (B,), the highest place first: (B, width)."""
        return numbers[:, None] // 10 ** np.arange(width)[::-1] % 10 + 1

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """`12+34=` and `46`."""
        prompt, answer = self.example(split, index)
        a, sign, b = self.read("".join(self.symbols[id] for id in prompt))
        return f"{a}{sign}{b}=", self.decode(answer)

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

    def right_answer(self, prompt: str) -> str:
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

    def beyond_training(self, prompt: str) -> str:
        """Says when a number of a prompt is none of the training's."""
        a, _, b = self.read(prompt)
        known = f"only numbers from 1 to {self.max_number}"
        return "" if a and b else f"no problem with 0 was trained on, {known}"

    def place_names(self, count: int) -> list[str]:
        """A sign where differences are asked for, and every place."""
        names = [*PLACES, *(f"10^{n}" for n in range(len(PLACES), self.places))]
        digits = names[: self.places]
        digits = digits if self.reverse_digits else digits[::-1]
        return ["sign", *digits] if self.signed else digits

    def rows_of(self, prompt: str) -> dict[str, tuple[Any, str]]:
        """Answers are counted by the digits of both numbers, `2+1` for `12+3=`, and by
        how often a place carries into the next one, or borrows from it."""
        a, sign, b = self.read(prompt)
        first, second, times = len(str(a)), len(str(b)), carries(a, sign, b)
        one, more = ("carry", "carries") if sign == "+" else ("borrow", "borrows")
        label = f"{sign} with {times} {one if times == 1 else more}"
        digits = (0, sign, first, second), f"{first}{sign}{second}"
        return {"digits": digits, "carries": (label, label)}

    def never_trained_on(self, longest: float) -> Iterator[Any]:
        """Pairs of numbers that both have more digits than any of the task's."""
        for width in range(self.width + 1, min(self.width + LONGER, MOST_DIGITS) + 1):
            wider = copy(self)
            wider.width, wider.places = width, self.places + width - self.width
            if wider.input_length() > longest:
                return
            least, rng = 10 ** (width - 1), np.random.default_rng(width)
            drawn = rng.integers(least, 10 * least, size=(2 * UNSEEN, 2))
            pairs = rng.permutation(np.unique(drawn, axis=0))[:UNSEEN]
            for which, sign in enumerate(self.signs):
                chosen = np.full((len(pairs), int(len(self.signs) > 1)), which)
                written = wider.write(np.concatenate([chosen, pairs], axis=1))
                yield "digits", ((width, which), f"{width}{sign}{width}"), *written


def carries(a: int, sign: str, b: int) -> int:
    """1 for `17+5=`, 2 for `101-2=` (the smaller from the larger)."""
    if sign == "-" and a < b:
        a, b = b, a
    times, over, step = 0, 0, 1 if sign == "+" else -1
    while a or b:
        over = int(not 0 <= a % 10 + step * (b % 10 + over) <= 9)
        times, a, b = times + over, a // 10, b // 10
    return times


def _complete(params: Params) -> Params:
    """The largest number in place of its digits."""
    found = {name: value for name, value in params.items() if name != "digits"}
    digits = params.get("digits")
    found["max_number"] = 10**digits - 1 if digits else params["max_number"] or 99
    return found


def _check(params: Params) -> None:
    digits = params["digits"]
    if digits is not None and params["max_number"] is not None:
        raise LayerProblem(
            "NE074",
            "`digits` and `max_number` both say how large the numbers are",
            parameter="digits",
            label="the same thing again",
            help=f"keep one of the two; `digits={digits}` means "
            f"`max_number={10 ** min(digits, MAX_DIGITS) - 1}`",
        )
    if (digits or 1) > MAX_DIGITS:
        message = f"`digits` must be at most {MAX_DIGITS}, not {digits}"
        raise LayerProblem("NE069", message, parameter="digits", label="out of range")
    cause = "max_number" if digits is None else "digits"
    check_space(Arithmetic(**_complete(params)), cause, "allow larger numbers")


OPERATIONS = "add addition=add +=add subtract subtraction=subtract -=subtract"
BOTH = ("add", "subtract")
INSTEAD = "places of the largest number, in its stead"
UNITS = "whether answers begin with their units"
ASKED = "what is asked for"
ARITHMETIC = ProblemSpec(
    "Arithmetic",
    "Sums and differences of two numbers from 1 to `max_number`, digit by digit.",
    (
        parameter("operations operation", "choices", BOTH, ASKED, OPERATIONS),
        parameter("max_number", "count", None, "the largest number; by default 99"),
        parameter("digits", "count", None, INSTEAD),
        parameter("reverse_digits", "bool", False, UNITS),
        *SIZES,
    ),
    check=_check,
    complete=_complete,
    data="arithmetic",
    task=Arithmetic,
    examples=tuple(
        f"operations={operations}, {largest}{option}"
        for operations, largest, option in product(
            ('"add"', '"subtract"', '("add", "subtract")', '("subtract", "add")'),
            ("max_number=99", "digits=3", "max_number=250", "digits=18"),
            ("", ", reverse_digits=true", ", data_seed=5"),
        )
    ),
)
