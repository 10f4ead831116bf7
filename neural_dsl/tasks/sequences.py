"""What copying, reversing, sorting and the like have in common."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Literal

import numpy as np

from neural_dsl.tasks.base import PAD, Split
from neural_dsl.tasks.problems import ProblemTask


def padding_last(x: np.ndarray) -> np.ndarray:
    """Rows of ids (B, T) with their padding moved to the end."""
    return np.take_along_axis(x, np.argsort(x == PAD, axis=1, kind="stable"), axis=1)


class SequenceTask(ProblemTask):
    """A sequence is read, and another one, made from it, is written.

    `length` is one number, or the shortest and the longest; `vocabulary` is how many
    symbols there are; `unique` sequences repeat none. With the layout "sequence" the
    model reads `dabc:` and goes on with the answer, one symbol after another; with
    "aligned" it reads `dabc` and answers at the same positions, all at once. `framing`
    puts START and END around both sequences; START then takes the place of the colon.
    """

    answer_factor = 1  # an answer's length, in lengths of its source
    separator = ":"

    def __init__(
        self,
        length: int | tuple[int, int] = 8,
        vocabulary: int = 20,
        unique: bool = False,
        framing: bool = False,
        layout: Literal["sequence", "aligned"] = "sequence",
        **sizes: int,
    ):
        shortest, self.longest = length if isinstance(length, tuple) else (length,) * 2
        if unique and self.longest > vocabulary:
            raise ValueError(
                f"unique sequences of {self.longest} need as many symbols, "
                f"and the vocabulary has {vocabulary}"
            )
        self.unique, self.framing = unique, framing
        self.causal = layout == "sequence"
        self.words = list(string.ascii_lowercase[:vocabulary])
        if vocabulary > len(self.words):
            self.words = [str(number + 1) for number in range(vocabulary)]
        self.space = " " if vocabulary > 26 else ""  # between the words of a text
        self.symbols = ["PAD", *self.words]
        if framing:
            self.symbols += ["START", "END"]
        elif self.causal and self.separator:
            self.symbols += [self.separator]
        self.max_length = self.input_length(self.longest)
        choices = [vocabulary - place * unique for place in range(self.longest)]
        spaces = [choices[:n] for n in range(shortest, self.longest + 1)]
        super().__init__(spaces, **sizes)

    def input_length(self, n: int) -> int:
        """The length of the model's input for a source of n symbols."""
        source = n + 2 * self.framing
        return source + self.answer_factor * n + self.framing if self.causal else source

    def answer(self, x: np.ndarray) -> np.ndarray:
        """The answers (B, A) to sources x (B, n), with PAD in any free place."""
        raise NotImplementedError

    def origins(self, x: list[int], k: int) -> tuple[int, ...]:
        """The places of the source x that symbol k of its answer may be taken from."""
        raise NotImplementedError

    def spell(self, problems: np.ndarray) -> np.ndarray:
        """The sources of problems: ids (B, n), padded at the end."""
        x = problems.copy()
        if self.unique:  # choice i means the i-th symbol not used yet (Lehmer code)
            for place in reversed(range(x.shape[1] - 1)):
                x[:, place + 1 :] += x[:, place + 1 :] >= x[:, [place]]
        return np.where(problems < 0, PAD, x + 1)

    def frame(self, x: np.ndarray) -> np.ndarray:
        """START before each row and END after it."""
        start, end = self.symbols.index("START"), self.symbols.index("END")
        return np.pad(x, [(0, 0), (1, 1)], constant_values=((0, 0), (start, end)))

    def write(self, problems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ids of prompts and answers, in the task's layout."""
        return self.arrange(self.spell(problems))

    def arrange(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Prompts and answers for sources x (B, n)."""
        y = self.answer(x)
        if self.framing:
            x, y = self.frame(x), self.frame(y)
        if not self.causal:
            return padding_last(x), padding_last(y)
        if self.framing:
            return np.concatenate([x, y[:, :1]], axis=1), y[:, 1:]
        separator = np.full((len(x), 1), self.symbols.index(self.separator))
        return np.concatenate([x, separator], axis=1), y

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """`dabc:` and `abcd`."""
        x = self.spell(self.problems[split][index : index + 1])
        y = self.answer(x)
        return self.decode(x[x != PAD]) + self.separator, self.decode(y[y != PAD])

    def ids(self, text: str) -> list[int]:
        """The ids of the words of a text. Raises ValueError."""
        words = text.split() if self.space else [*"".join(text.split())]
        for word in words:
            if word not in self.words:
                known = f"{self.words[0]} to {self.words[-1]}"
                raise ValueError(f"unknown symbol {word!r}; the symbols are {known}")
        return [self.symbols.index(word) for word in words]

    def source(self, prompt: str) -> np.ndarray:
        """The source (1, n) in a prompt such as `dabc:`. Raises ValueError."""
        x = self.ids(prompt.strip().removesuffix(self.separator))
        if not 1 <= len(x) <= self.longest:
            raise ValueError(
                f"{prompt!r} has {len(x)} symbols; this task takes 1 to {self.longest}"
            )
        return np.array([x])

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of a prompt such as `dabc:`, as the model reads it. Raises ValueError."""
        return self.arrange(self.source(prompt))[0].flatten()

    def decode(self, ids: Sequence[int]) -> str:
        """The words of an answer up to its END, without START and final padding."""
        symbols = [self.symbols[id] for id in ids]
        if "END" in symbols:
            symbols = symbols[: symbols.index("END")]
        while symbols and symbols[-1] == "PAD":
            symbols.pop()
        return self.space.join(symbols[symbols[:1] == ["START"] :])

    def answer_length(self, prompt: str) -> int:
        """As the source's length demands, and END."""
        return self.arrange(self.source(prompt))[1].size

    def is_end(self, id: int) -> bool:
        """Whether this is END."""
        return self.symbols[id] == "END"

    def attention_for(self, prompt: str) -> list[tuple[int, tuple[int, ...]]]:
        """Each symbol of the answer is taken from its origins in the source."""
        x = self.source(prompt)[0].tolist()
        first = len(self.encode(prompt)) - 1 if self.causal else int(self.framing)
        known = []
        for k in range(self.answer_factor * len(x)):
            keys = tuple(place + self.framing for place in self.origins(x, k))
            known.append((first + k, keys))
        return known
