"""Tasks: what `task:` names, and what a compiler must know of each before it runs.

The tasks themselves are the files of `neural_dsl/tasks`. They need NumPy; what stands
here does not, and a test compares the two.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neural_dsl.catalogue.settings import SettingSpec, Table
from neural_dsl.catalogue.spec import LayerProblem, Parameter, Params

MAX_DIGITS = 18
"""Numbers with more places do not fit into 64 bits."""


@dataclass(frozen=True)
class TaskSpec(SettingSpec):
    """One task.

    - `modules`: the files of `neural_dsl/tasks` that make it up, in the order in which
      they are pasted into a training script.
    - `complete(params)` gives the arguments of the task's class.
    - `symbols(params, folder)`: what each token id means; id 0 is padding. None where
      there are no token ids or where only the file's author knows. `folder` is what
      paths are relative to. Raises LayerProblem for a file that cannot be used.
    - `longest(params, folder)`: the longest model input, None if unknown.
    - `examples(params, folder)`: how many there are to train on.
    - `is_causal(params)`: the model is asked for the next symbol and must not look ahead.
    - `measure`: what tells how good a model is at it.
    - `layout`: where answers stand: behind the source ("sequence"), at the positions of
      the source ("aligned"), at every next position ("text"), or "free" where the task
      does not say.
    - `aligned_needs`: what a model of the aligned layout must be able to do: "nothing"
      (each answer follows from its own position) or "later" (from later positions too).
    - `layers_needed`: layers of attention without which sequences of several lengths
      cannot be learnt.
    """

    modules: tuple[str, ...] = ()
    complete: Callable[[Params], Params] = lambda params: params
    symbols: Callable[[Params, Path], Sequence[str] | None] = lambda params, folder: (
        None
    )
    longest: Callable[[Params, Path], int | None] = lambda params, folder: None
    examples: Callable[[Params, Path], int] = lambda params, folder: int(
        params["train_size"]
    )
    is_causal: Callable[[Params], bool] = lambda params: True
    measure: Literal["exact_match", "accuracy", "loss"] = "exact_match"
    layout: Callable[[Params], Literal["sequence", "aligned", "text", "free"]] = (
        lambda params: "sequence"
    )
    aligned_needs: Literal["nothing", "later"] = "later"
    layers_needed: int = 1

    def vocabulary_size(self, params: Params, folder: Path = Path()) -> int | None:
        """The number of token ids, padding included; None if unknown."""
        symbols = self.symbols(params, folder)
        return None if symbols is None else len(symbols)

    def max_length(self, params: Params, folder: Path = Path()) -> int | None:
        """The longest model input in positions; None if unknown."""
        return self.longest(params, folder)

    def train_size(self, params: Params, folder: Path = Path()) -> int:
        """The number of examples to train on."""
        return self.examples(params, folder)

    def causal(self, params: Params) -> bool:
        """Whether the model must not look ahead."""
        return self.is_causal(params)


SIZES = (
    Parameter("train_size", "count", 20_000, "problems to train on"),
    Parameter("validation_size", "count", 2_000, "problems that validation uses"),
    Parameter("test_size", "count", 1_000, "problems kept for the test at the end"),
    Parameter("data_seed", "int", 0, "where the random numbers of the data start"),
)
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


# --- problems: the checks that `tasks.problems.deal` would fail on ----------------------


def _bounds(length: int | tuple[int, int]) -> tuple[int, int]:
    """The shortest and the longest source."""
    return (length, length) if isinstance(length, int) else length


def _check_space(params: Params, spaces: Sequence[int], cause: str, more: str) -> None:
    """Refuse held-out splits of more than a quarter of the problems of each space.

    `cause` names the parameter that decides how many there are; `more` says how to have
    more.
    """
    total, held_out = sum(spaces), sum(space // 4 for space in spaces)
    for split in ("test_size", "validation_size"):
        if params[split] > held_out:
            raise LayerProblem(
                "NE074",
                f"there are {total:,} problems, too few to keep {params[split]:,} of "
                f"them for {split.removesuffix('_size')}",
                parameter=cause,
                label=f"{held_out:,} can be kept: a quarter of all",
                help=f"{more}, or set `{split}={held_out}`" if held_out else more,
            )


# --- sequences --------------------------------------------------------------------------


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
    counts = math.perm if unique else pow
    spaces = [counts(vocabulary, n) for n in range(shortest, longest + 1)]
    _check_space(
        params, spaces, "vocabulary", "use a larger `vocabulary` or longer sequences"
    )


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


def _sequence_symbols(params: Params, separator: str) -> list[str]:
    """PAD, the words, and what frames or parts them."""
    vocabulary = params["vocabulary"]
    words = list(string.ascii_lowercase[:vocabulary])
    if vocabulary > len(words):
        words = [str(number + 1) for number in range(vocabulary)]
    if params["framing"]:
        return ["PAD", *words, "START", "END"]
    return ["PAD", *words, *([separator] if separator and not _aligned(params) else [])]


def _sequence_length(params: Params, factor: int) -> int:
    """The longest input for answers of `factor` source lengths."""
    longest, framing = _bounds(params["length"])[1], params["framing"]
    source: int = longest + 2 * framing
    return source if _aligned(params) else source + factor * longest + framing


def _pattern_length(params: Params) -> int:
    return 2 * _bounds(params["length"])[1] - 1 + 2 * int(params["framing"])


def _sequence(
    name: str,
    module: str,
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
        modules=("base", "problems", "sequences", module),
        symbols=lambda params, folder: _sequence_symbols(params, ":"),
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
    modules=("base", "problems", "sequences", "pattern_completion"),
    symbols=lambda params, folder: _sequence_symbols(params, ""),
    longest=lambda params, folder: _pattern_length(params),
    layers_needed=2,
)


# --- arithmetic -------------------------------------------------------------------------


def _check_arithmetic(params: Params) -> None:
    if params["digits"] is not None and params["max_number"] is not None:
        raise LayerProblem(
            "NE074",
            "`digits` and `max_number` both say how large the numbers are",
            parameter="digits",
            label="the same thing again",
            help=f"keep one of the two; `digits={params['digits']}` means "
            f"`max_number={10 ** min(params['digits'], MAX_DIGITS) - 1}`",
        )
    if (params["digits"] or 1) > MAX_DIGITS:
        raise LayerProblem(
            "NE069",
            f"`digits` must be at most {MAX_DIGITS}, not {params['digits']}",
            parameter="digits",
            label="out of range",
        )
    largest = _largest(params)
    cause = "digits" if params["digits"] is not None else "max_number"
    space = len(params["operations"]) * largest**2
    _check_space(params, [space], cause, "allow larger numbers")


def _largest(params: Params) -> int:
    if params.get("digits") is not None:
        return int(10 ** params["digits"] - 1)
    return int(params["max_number"] or 99)


def _complete_arithmetic(params: Params) -> Params:
    rest = {k: v for k, v in params.items() if k != "digits"}
    return {**rest, "max_number": _largest(params)}


def _arithmetic_symbols(params: Params) -> list[str]:
    """Answers of differences begin with their sign, so those need both."""
    signs = ["+", "-"] if "subtract" in params["operations"] else ["+"]
    return ["PAD", *string.digits, "=", *signs]


def _arithmetic_length(params: Params) -> int:
    """Two numbers, two symbols, and the answer but for its last symbol."""
    width, operations = len(str(params["max_number"])), params["operations"]
    answer = width + ("add" in operations) + ("subtract" in operations)
    return 2 * width + 2 + answer - 1


ARITHMETIC = TaskSpec(
    "Arithmetic",
    "Sums and differences of two numbers from 1 to `max_number`, digit by digit.",
    (
        Parameter(
            "operations",
            "choices",
            ("add", "subtract"),
            "what is asked for",
            choices={
                "add": "add",
                "addition": "add",
                "+": "add",
                "subtract": "subtract",
                "subtraction": "subtract",
                "-": "subtract",
            },
            aliases=("operation",),
        ),
        Parameter("max_number", "count", None, "the largest number; by default 99"),
        Parameter(
            "digits", "count", None, "places of the largest number, in its stead"
        ),
        Parameter(
            "reverse_digits", "bool", False, "whether answers begin with their units"
        ),
        *SIZES,
    ),
    check=_check_arithmetic,
    modules=("base", "problems", "arithmetic"),
    complete=_complete_arithmetic,
    symbols=lambda params, folder: _arithmetic_symbols(params),
    longest=lambda params, folder: _arithmetic_length(params),
)

TASKS = Table(
    what="task",
    code="NE073",
    example="task: Copy(length=8, vocabulary=20)",
    specs=(
        ARITHMETIC,
        _sequence("Copy", "copy_task", "Writing a sequence once more.", "nothing"),
        _sequence("Reverse", "reverse", "Writing a sequence backwards.", "later"),
        _sequence("Sort", "sort", "Writing a sequence in ascending order.", "later"),
        _sequence(
            "Double", "double", "Writing a sequence twice.", "never", 2, ("Duplicate",)
        ),
        PATTERN_COMPLETION,
    ),
    planned=("Text", "Arrays", "Custom"),
)


def task_spec(name: str) -> TaskSpec:
    """The entry of a task by its canonical name."""
    spec: Any = TASKS.find(name)
    assert isinstance(spec, TaskSpec)
    return spec
