"""Arithmetic, digit by digit."""

from __future__ import annotations

import string
from collections.abc import Sequence
from itertools import product

from neural_dsl.catalogue.spec import LayerProblem, Parameter, Params
from neural_dsl.catalogue.tasks.spec import SIZES, TaskSpec, check_space

MAX_DIGITS = 18
"""Numbers with more places do not fit into 64 bits."""


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
    numbers = range(1, largest + 1)
    asked = [range(len(params["operations"]))] if len(params["operations"]) > 1 else []
    check_space(
        params,
        _arithmetic_problems(params),
        lambda: product(*asked, numbers, numbers),
        cause,
        "allow larger numbers",
    )


def _arithmetic_problems(params: Params) -> int:
    return len(params["operations"]) * _largest(params) ** 2


def _largest(params: Params) -> int:
    if params.get("digits") is not None:
        return int(10 ** params["digits"] - 1)
    return int(params["max_number"] or 99)


def _complete_arithmetic(params: Params) -> Params:
    rest = {k: v for k, v in params.items() if k != "digits"}
    return {**rest, "max_number": _largest(params)}


def arithmetic_symbols(operations: Sequence[str]) -> list[str]:
    """Answers of differences begin with their sign, so those need both."""
    signs = ["+", "-"] if "subtract" in operations else ["+"]
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
    data="arithmetic",
    problems=_arithmetic_problems,
    complete=_complete_arithmetic,
    symbols=lambda params, folder: arithmetic_symbols(params["operations"]),
    longest=lambda params, folder: _arithmetic_length(params),
)
