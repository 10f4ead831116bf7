"""Tasks that write a sequence of symbols made from another one."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any, Literal

from neural_dsl.catalogue.spec import LayerProblem, Parameter, Params
from neural_dsl.catalogue.tasks.spec import SIZES, TaskSpec, check_space
from neural_dsl.catalogue.tasks.splits import MANY

COUNTED = 64
"""Longer sequences are not counted one by one: few ones only of a single symbol."""

LENGTH = Parameter(
    "length",
    "range",
    8,
    "symbols of a source: a number, or the shortest and the longest, as in (4, 8)",
    aliases=("seq_length", "sequence_length", "seq_len"),
)
VOCABULARY = Parameter(
    "vocabulary",
    "count",
    20,
    "how many different symbols there are, besides those of the task itself",
    aliases=("vocab_size", "vocabulary_size", "vocab"),
)
UNIQUE = Parameter("unique", "bool", False, "whether a source repeats no symbol")
FRAMING = Parameter(
    "framing", "bool", False, "START and END around source and answer, no separator"
)
LAYOUT = Parameter(
    "layout",
    "choice",
    "sequence",
    "the answer behind the source, or at the source's own positions",
    choices={"sequence": "sequence", "aligned": "aligned"},
)


def _bounds(length: int | tuple[int, int]) -> tuple[int, int]:
    """The shortest and the longest source."""
    return (length, length) if isinstance(length, int) else length


def _check_sequence(params: Params) -> None:
    shortest, longest = _bounds(params["length"])
    vocabulary, unique = params["vocabulary"], params["unique"]
    if unique and longest > vocabulary:
        raise LayerProblem(
            "NE074",
            f"{longest} unique symbols cannot be taken from a vocabulary of {vocabulary}",
            parameter="unique",
            label=f"`length` is {longest}, `vocabulary` is {vocabulary}",
            help=f"use `vocabulary={longest}` or more, a smaller `length`, or "
            "`unique=false`",
        )
    arrange = permutations if unique else _words
    check_space(
        params,
        _sequence_problems(params),
        lambda: (
            problem
            for n in range(shortest, min(longest, COUNTED) + 1)
            for problem in arrange(range(1, vocabulary + 1), n)
        ),
        "vocabulary",
        "use a larger `vocabulary` or longer sequences",
    )


def _words(symbols: Iterable[int], n: int) -> Iterator[tuple[int, ...]]:
    return product(symbols, repeat=n)


def _sequence_problems(params: Params) -> int:
    ends, vocabulary = _bounds(params["length"]), params["vocabulary"]
    return count_sequences(*ends, vocabulary, params["unique"])


def count_sequences(shortest: int, longest: int, vocabulary: int, unique: bool) -> int:
    """How many sequences there are, as far as it matters: never more than MANY."""
    if vocabulary == 1:
        return longest - shortest + 1
    total, count = 0, 1
    for n in range(1, longest + 1):
        count *= vocabulary - (n - 1) * unique
        total += count * (n >= shortest)
        if count >= MANY or total >= MANY:
            return MANY
    return total


def _check_pattern(params: Params) -> None:
    if _bounds(params["length"])[0] < 2:
        raise LayerProblem(
            "NE074",
            "a block of 1 symbol leaves nothing to go on with",
            parameter="length",
            label="blocks have 2 symbols or more",
            help="write for instance `length=(4, 12)`",
        )
    _check_sequence(params)


def _aligned(params: Params) -> bool:
    return bool(params.get("layout") == "aligned")


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

    def index(self, value: Any, *_: Any) -> int:
        """The id of a symbol. Raises ValueError."""
        number = int(value) if str(value).isdecimal() else 0
        if 1 <= number <= self.words and str(number) == value:
            return number
        return 0 if value == "PAD" else 1 + self.words + self.more.index(value)

    def __contains__(self, value: object) -> bool:
        try:
            return self.index(value) >= 0
        except ValueError:
            return False


def sequence_symbols(vocabulary: int, framing: bool, separator: str) -> Sequence[str]:
    """PAD, the words, and what frames or parts them ("" for nothing)."""
    more = ("START", "END") if framing else (separator,) if separator else ()
    if vocabulary <= len(string.ascii_lowercase):
        return ["PAD", *string.ascii_lowercase[:vocabulary], *more]
    return Numbered(vocabulary, more)


def _symbols(params: Params, separator: str) -> Sequence[str]:
    return sequence_symbols(params["vocabulary"], params["framing"], separator)


def _sequence_length(params: Params, factor: int) -> int:
    """The longest input for answers of `factor` source lengths."""
    longest, framing = _bounds(params["length"])[1], params["framing"]
    source: int = longest + 2 * framing
    return source if _aligned(params) else source + factor * longest + framing


def _pattern_length(params: Params) -> int:
    return 2 * _bounds(params["length"])[1] - 1 + 2 * int(params["framing"])


def _sequence(
    name: str,
    doc: str,
    aligned_needs: Literal["nothing", "later", "never"],
    factor: int = 1,
    aliases: tuple[str, ...] = (),
) -> TaskSpec:
    """A task that writes a sequence made from another one."""
    layout = () if aligned_needs == "never" else (LAYOUT,)
    return TaskSpec(
        name,
        doc,
        (LENGTH, VOCABULARY, UNIQUE, FRAMING, *layout, *SIZES),
        aliases,
        _check_sequence,
        data="sequences",
        problems=_sequence_problems,
        symbols=lambda params, folder: _symbols(params, ":" * (not _aligned(params))),
        longest=lambda params, folder: _sequence_length(params, factor),
        is_causal=lambda params: not _aligned(params),
        layout=lambda params: "aligned" if _aligned(params) else "sequence",
        aligned_needs="nothing" if aligned_needs == "nothing" else "later",
    )


PATTERN_COMPLETION = TaskSpec(
    "PatternCompletion",
    "Going on with a random block that repeats: what induction heads are for. Olsson et "
    "al., 2022.",
    (
        Parameter(
            "length",
            "range",
            (4, 12),
            "symbols of a block: a number, or the shortest and the longest",
            aliases=LENGTH.aliases,
        ),
        VOCABULARY,
        Parameter("unique", "bool", True, "whether a block repeats no symbol"),
        FRAMING,
        *SIZES,
    ),
    ("Induction",),
    _check_pattern,
    data="sequences",
    problems=_sequence_problems,
    symbols=lambda params, folder: _symbols(params, ""),
    longest=lambda params, folder: _pattern_length(params),
    layers_needed=2,
)

SEQUENCES = (
    _sequence("Copy", "Writing a sequence once more.", "nothing"),
    _sequence("Reverse", "Writing a sequence backwards.", "later"),
    _sequence("Sort", "Writing a sequence in ascending order.", "later"),
    _sequence("Double", "Writing a sequence twice.", "never", 2, ("Duplicate",)),
    PATTERN_COMPLETION,
)
