"""What copying, reversing, sorting and the like have in common, and each of them."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any, Literal

from neural_dsl.catalogue.spec import LayerProblem, Parameter, parameter
from neural_dsl.tasks.base import PAD, Split
from neural_dsl.tasks.lazy import np
from neural_dsl.tasks.problems import MANY, SIZES, ProblemSpec, ProblemTask, check_space

COUNTED = 64
"""Longer sequences are not counted one by one: few ones only of a single symbol."""
UNSEEN = 200  # sequences of each length that training never had
LONGER = 4  # lengths beyond the longest that are tried


def count_sequences(shortest: int, longest: int, vocabulary: int, unique: bool) -> int:
    """How many sequences there are, as far as it matters: never more than MANY."""
    if vocabulary == 1:
        return longest - shortest + 1
    total, count = 0, 1
    for n in range(1, (min(longest, vocabulary) if unique else longest) + 1):
        count *= vocabulary - (n - 1) * unique
        total += count * (n >= shortest)
        if count >= MANY or total >= MANY:
            return MANY
    return total


@dataclass(frozen=True)
class Numbered(Sequence[str]):
    """PAD, the numbers from 1 to `words`, and `more`, each made when it is asked for: a
    vocabulary may be larger than memory."""

    words: int
    more: tuple[str, ...]

    def __len__(self) -> int:
        return 1 + self.words + len(self.more)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        place = range(len(self))[place]  # counts from the end, or raises IndexError
        if 1 <= place <= self.words:
            return str(place)
        return self.more[place - 1 - self.words] if place else "PAD"


class SequenceTask(ProblemTask):
    """A sequence is read, and another one, made from it, is written.

    With the layout "sequence" the model reads `dabc:` and goes on with the answer, one
    symbol after another; with "aligned" it reads `dabc` and answers at the same
    positions, all at once. `framing` puts START and END around both sequences; START
    then takes the place of the colon.
    """

    answer_factor = 1  # an answer's length, in lengths of its source
    fewest = 1  # symbols of a source
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
        ends: tuple[int, int] = length if isinstance(length, tuple) else (length,) * 2
        self.shortest, self.longest = ends
        self.vocabulary, self.unique, self.framing = vocabulary, unique, framing
        self.space = " " if vocabulary > 26 else ""  # between the words of a text
        self.causal = layout == "sequence"
        self.more = vocabulary + 1  # the id of START, or of the separator
        more = ("START", "END") if framing else (*self.separator * self.causal,)
        letters = string.ascii_lowercase[:vocabulary]
        known = Numbered(vocabulary, more) if self.space else ["PAD", *letters, *more]
        self.symbols = known
        self.max_length = self.input_length(self.longest)
        super().__init__(count_sequences(*ends, vocabulary, unique), **sizes)

    def every(self) -> Iterator[Sequence[int]]:
        """All sources, the longest ones aside."""
        for n in range(self.shortest, min(self.longest, COUNTED) + 1):
            words = range(1, self.vocabulary + 1)
            yield from (
                permutations(words, n) if self.unique else product(words, repeat=n)
            )

    def random(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Random sources (count, longest), padded at the end."""
        if self.unique:
            drawn = rng.random((count, self.vocabulary)).argsort(axis=1)
            x = drawn[:, : self.longest] + 1
        else:
            x = rng.integers(1, self.vocabulary + 1, size=(count, self.longest))
        if self.shortest == self.longest:
            return x
        lengths = rng.integers(self.shortest, self.longest + 1, size=(count, 1))
        return np.where(np.arange(self.longest) < lengths, x, PAD)

    def input_length(self, n: int) -> int:
        """The length of the model's input for a source of n symbols."""
        source = n + 2 * self.framing
        return source + self.answer_factor * n + self.framing if self.causal else source

    def answer(self, x: np.ndarray) -> np.ndarray:
        """The answers (B, A) to sources x (B, n), with PAD in any free place."""
        raise NotImplementedError

    def origins(self, x: np.ndarray) -> list[tuple[int, ...]]:
        """For each symbol of the answer to a source x (n,), the places that it may be
        taken from: as the answer moves symbols, it moves places."""
        return [(place,) for place in self.answer(np.arange(len(x))[None])[0].tolist()]

    def frame(self, x: np.ndarray) -> np.ndarray:
        """START before each row and END after it."""
        framed = ((0, 0), (self.more, self.more + 1))
        return np.pad(x, [(0, 0), (1, 1)], constant_values=framed)

    def write(self, problems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ids of prompts (B, P) and answers (B, A) for sources (B, n)."""
        x, y = problems, self.answer(problems)
        if self.framing:
            x, y = self.frame(x), self.frame(y)
        if not self.causal:
            return padding_last(x), padding_last(y)
        if self.framing:
            return np.concatenate([x, y[:, :1]], axis=1), y[:, 1:]
        return np.concatenate([x, np.full((len(x), 1), self.more)], axis=1), y

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """`dabc:` and `abcd`."""
        prompt, answer = self.example(split, index)
        words = [self.symbols[id] for id in prompt if 1 <= id <= self.vocabulary]
        return self.space.join(words) + self.separator, self.decode(answer)

    def ids(self, text: str) -> list[int]:
        """The ids of the words of a text. Raises ValueError."""
        words = text.split() if self.space else [*"".join(text.split())]
        ids = []
        for word in words:
            id = string.ascii_lowercase.find(word) + 1
            if self.space:
                id = int(word) if re.fullmatch("[1-9][0-9]{,9}", word) else 0
            if not 1 <= id <= self.vocabulary:
                known = f"{self.symbols[1]} to {self.symbols[self.vocabulary]}"
                raise ValueError(f"unknown symbol {word!r}; the symbols are {known}")
            ids.append(id)
        return ids

    def source(self, prompt: str) -> np.ndarray:
        """The source (1, n) in a prompt such as `dabc:`. Raises ValueError."""
        x = self.ids(prompt.strip().removesuffix(self.separator))
        if not 1 <= len(x) <= self.longest:
            most = f"this task takes 1 to {self.longest}"
            raise ValueError(f"{prompt!r} has {len(x)} symbols; {most}")
        return np.array([x])

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of a prompt such as `dabc:`, as the model reads it. Raises ValueError."""
        return self.write(self.source(prompt))[0].flatten()

    def right_answer(self, prompt: str) -> str:
        """`abcd` for `dabc:`."""
        return self.decode(self.write(self.source(prompt))[1][0].tolist())

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
        return self.write(self.source(prompt))[1].size

    def is_end(self, id: int) -> bool:
        """Whether this is END."""
        return self.symbols[id] == "END"

    def attention_for(self, prompt: str) -> list[tuple[int, tuple[int, ...]]]:
        """Each symbol of the answer is taken from its origins in the source."""
        first = len(self.encode(prompt)) - 1 if self.causal else int(self.framing)
        return [
            (first + k, tuple(place + self.framing for place in places))
            for k, places in enumerate(self.origins(self.source(prompt)[0]))
        ]

    def beyond_training(self, prompt: str) -> str:
        """Says when a prompt has a length that no problem of the training has."""
        length = self.source(prompt).shape[1]
        if self.shortest <= length <= self.longest:
            return ""
        ranged = self.shortest < self.longest
        known = f"{self.shortest} to {self.longest}" if ranged else f"{self.longest}"
        return f"no sequence of length {length} was trained on, only of length {known}"

    def rows_of(self, prompt: str) -> dict[str, tuple[Any, str]]:
        """Answers are counted by the length of the source."""
        length = self.source(prompt).shape[1]
        return {"length": (length, f"{length}")}

    def never_trained_on(self, longest: float) -> Iterator[Any]:
        """Distinct sources of every length that fits, at most UNSEEN of each."""
        most = self.vocabulary if self.unique else math.inf
        for n in range(self.fewest, self.longest + LONGER + 1):
            if n > most or self.input_length(n) > longest:
                return
            fixed, rng = copy(self), np.random.default_rng(n)
            fixed.shortest = fixed.longest = n
            x = np.unique(fixed.random(10 * UNSEEN, rng), axis=0)
            yield "length", (n, f"{n}"), *self.write(rng.permutation(x)[:UNSEEN])


def padding_last(x: np.ndarray) -> np.ndarray:
    """Rows of ids (B, T) with their padding moved to the end."""
    return np.take_along_axis(x, np.argsort(x == PAD, axis=1, kind="stable"), axis=1)


class Copy(SequenceTask):
    """`dabc:dabc`: the answer is the source."""

    def answer(self, x: np.ndarray) -> np.ndarray:
        """x itself."""
        return x


class Reverse(SequenceTask):
    """`dabc:cbad`: the answer is the source from its end to its beginning."""

    def answer(self, x: np.ndarray) -> np.ndarray:
        """x from right to left."""
        return x[:, ::-1]


class Sort(SequenceTask):
    """`dabc:abcd`: the answer holds the source's symbols in ascending order."""

    def answer(self, x: np.ndarray) -> np.ndarray:
        """x in ascending order."""
        return np.sort(x, axis=1)

    def origins(self, x: np.ndarray) -> list[tuple[int, ...]]:
        """Symbol k is the k-th smallest; equal symbols serve equally well."""
        return [tuple(np.flatnonzero(x == symbol).tolist()) for symbol in np.sort(x)]


class Double(SequenceTask):
    """`abc:abcabc`: the answer is the source, twice."""

    answer_factor = 2

    def answer(self, x: np.ndarray) -> np.ndarray:
        """x and x again."""
        return np.concatenate([x, x], axis=1)


def _check(task: SequenceTask) -> None:
    """Refuse sources that there cannot be, and too few of them."""
    longest, vocabulary = task.longest, task.vocabulary
    if task.shortest < task.fewest:
        raise LayerProblem(
            "NE074",
            "a block of 1 symbol leaves nothing to go on with",
            parameter="length",
            label="blocks have 2 symbols or more",
            help="write for instance `length=(4, 12)`",
        )
    if task.unique and longest > vocabulary:
        raise LayerProblem(
            "NE074",
            f"{longest} unique symbols cannot be taken from a vocabulary of {vocabulary}",
            parameter="unique",
            label=f"`length` is {longest}, `vocabulary` is {vocabulary}",
            help=f"use `vocabulary={longest}` or more, a smaller `length`, or "
            "`unique=false`",
        )
    check_space(task, "vocabulary", "use a larger `vocabulary` or longer sequences")


LENGTH = "length seq_length sequence_length seq_len"
VOCABULARY = "vocabulary vocab_size vocabulary_size vocab"
WORDS = "how many different symbols there are, besides those of the task itself"
FRAMES = "START and END around source and answer, no separator"
PLACES = "the answer behind the source, or at the source's own positions"
LAYOUT = parameter("layout", "choice", "sequence", PLACES, "sequence aligned")


def sequence(
    task: type[SequenceTask],
    doc: str,
    *layout: Parameter,
    source: str = "source",
    length: Any = 8,
    unique: bool = False,
    **rest: Any,
) -> ProblemSpec:
    """The entry of a task of sequences."""
    form = f"symbols of a {source}: a number, or the shortest and the longest"
    form += ", as in (4, 8)" * isinstance(length, int)  # else the default shows it
    parameters = (
        parameter(LENGTH, "range", length, form),
        parameter(VOCABULARY, "count", 20, WORDS),
        parameter("unique", "bool", unique, f"whether a {source} repeats no symbol"),
        parameter("framing", "bool", False, FRAMES),
        *(*layout, *SIZES),
    )
    aligned = [f'{each}, layout="aligned"' for each in EXAMPLES if layout]
    return ProblemSpec(
        task.__name__,
        doc,
        parameters,
        check=lambda params: _check(task(**params)),
        data="sequences",
        task=task,
        examples=(*EXAMPLES, *aligned),
        **rest,
    )


EXAMPLES = tuple(
    ", ".join(filter(None, parts))
    for parts in product(
        ("length=8", "length=(2, 6)"),
        ("", "vocabulary=40", "unique=true", "unique=false, vocabulary=9"),
        ("", "framing=true"),
    )
)
SEQUENCES = (
    sequence(Copy, "Writing a sequence once more.", LAYOUT, aligned_needs="nothing"),
    sequence(Reverse, "Writing a sequence backwards.", LAYOUT),
    sequence(Sort, "Writing a sequence in ascending order.", LAYOUT),
    sequence(Double, "Writing a sequence twice.", aliases=("Duplicate",)),
)
