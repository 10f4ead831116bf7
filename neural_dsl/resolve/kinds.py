"""Checks of one value against the kind of a parameter (catalogue.spec.Kind)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neural_dsl.catalogue.activations import (
    ACTIVATIONS,
    activation_names,
    canonical_activation,
)
from neural_dsl.catalogue.spec import Parameter
from neural_dsl.diagnostics.suggest import did_you_mean, only_near
from neural_dsl.resolve.terms import CallValue, is_number, is_whole

LARGEST_SIZE = 2**31 - 1
"""Sizes reach this far: beyond it neither framework can index a tensor."""
LARGEST_SEED = 2**32 - 1
"""The largest seed that NumPy, PyTorch and TensorFlow all take."""

WHOLE = {
    "int": (-LARGEST_SIZE, LARGEST_SIZE, f"at most {LARGEST_SIZE:,}"),
    "count": (1, LARGEST_SIZE, "1 or more"),
    "natural": (0, LARGEST_SEED, "0 or more"),
}
REAL = {
    "float": (-math.inf, math.inf, ""),
    "positive": (math.ulp(0), math.inf, "above 0"),
    "non_negative": (0, math.inf, "0 or more"),
    "rate": (0, math.nextafter(1, 0), "at least 0 and below 1"),
    "fraction": (0, 1, "between 0 and 1"),
}
"""The kinds of numbers: lowest, highest, and what is said outside, of whole numbers
below."""
PLAIN = {"bool": (bool, "true or false"), "text": (str, "a word")}
OR_ELSE = {
    "learning_rate": (str | CallValue, "positive"),  # a schedule: the caller's to find
    "stopping": (bool | str | CallValue | dict, "count"),  # the caller makes a Setting
}
"""Kinds that take these types as they are, and else a number."""


@dataclass(eq=False)
class Misfit(Exception):
    """A value that a parameter does not take."""

    code: str
    expected: str
    help: str = ""


def fit(parameter: Parameter, value: Any) -> Any:
    """The value as the parameter keeps it. Raises Misfit.

    None stands for "work it out" where that is the parameter's default.
    """
    if value is None and parameter.default is None:
        return None
    kind: str = parameter.kind
    if kind in OR_ELSE:
        taken, kind = OR_ELSE[kind]
        if isinstance(value, taken):
            return value
    if kind in WHOLE:
        return _whole(kind, value)
    if kind in REAL:
        low, high, expected = REAL[kind]
        if not is_number(value) or not math.isfinite(value):
            raise Misfit("NE026", "a number")
        if not low <= value <= high:
            raise Misfit("NE027", expected)
        return float(value)
    if kind in PLAIN:
        return _typed(value, *PLAIN[kind])
    return CHECKS[kind](parameter, value)


def _whole(kind: str, value: Any) -> int:
    low, high, too_low = WHOLE[kind]
    if not is_whole(value):
        raise Misfit("NE026", "a whole number")
    if not low <= value <= high:
        raise Misfit("NE027", too_low if value < low else f"at most {high:,}")
    return int(value)


def _typed(value: Any, kind: type, expected: str) -> Any:
    if not isinstance(value, kind):
        raise Misfit("NE026", expected)
    return value


def _choice(parameter: Parameter, value: Any) -> str:
    *first, last = (f'"{each}"' for each in dict.fromkeys(parameter.choices.values()))
    listed = f"{', '.join(first)} or {last}" if first else last
    if value is None and "none" in parameter.choices:
        return parameter.choices["none"]
    found = parameter.choices.get(_typed(value, str, listed).strip().lower())
    if found is None:
        raise Misfit("NE027", listed, only_near(value, parameter.choices))
    return found


def _choices(parameter: Parameter, value: Any) -> tuple[str, ...]:
    """`"add"`, `("add", "subtract")` or the like, in the order given."""
    given = value if isinstance(value, tuple) else (value,)
    if not given:
        raise Misfit("NE027", "at least one of " + ", ".join(parameter.choices))
    try:
        found = tuple(_choice(parameter, each) for each in given)
    except Misfit as misfit:
        expected = f"made of {misfit.expected}"
        raise Misfit(misfit.code, expected, misfit.help) from None
    if len(set(found)) < len(found):
        raise Misfit("NE027", "a list without repeats")
    return found


def _two(value: tuple[Any, ...], example: str) -> tuple[int, int]:
    """Two counts."""
    if len(value) != 2 or not all(map(is_whole, value)):
        raise Misfit("NE026", f"a whole number or two of them, such as {example}")
    return _whole("count", value[0]), _whole("count", value[1])


def _range(parameter: Parameter, value: Any) -> int | tuple[int, int]:
    """A count, or the lowest and the highest; equal ones are a count too."""
    if not isinstance(value, tuple):
        return _whole("count", value)
    low, high = _two(value, "(4, 8)")
    if low > high:
        raise Misfit("NE027", "in rising order: the shortest, the longest")
    return low if low == high else (low, high)


def _pair(parameter: Parameter, value: Any) -> tuple[int, int]:
    """A count for both axes, or one for each: (rows, columns)."""
    return _two(value if isinstance(value, tuple) else (value, value), "(3, 5)")


def _size(parameter: Parameter, value: Any) -> int:
    if isinstance(value, tuple):
        if len(value) != 1:
            raise Misfit("NE026", "one whole number")
        value = value[0]
    return _whole("count", value)


def _shape(parameter: Parameter, value: Any) -> tuple[int, ...]:
    sizes = value if isinstance(value, tuple) else (value,)
    if not sizes or not all(map(is_whole, sizes)):
        raise Misfit("NE026", "a shape, such as (16, 32)")
    known = [size for size in sizes if size != -1]
    if len(known) < len(sizes) - 1 or not all(0 < n <= LARGEST_SIZE for n in known):
        raise Misfit("NE027", "sizes of 1 or more, one of which may be -1")
    return sizes


def _numbers(parameter: Parameter, value: Any) -> tuple[float, ...]:
    if not isinstance(value, tuple) or not value or not all(map(is_number, value)):
        raise Misfit("NE026", "a list of numbers, such as [100, 200]")
    return value


def _activation(parameter: Parameter, value: Any) -> str:
    if value is None:
        return "linear"
    _typed(value, str, 'the name of an activation, such as "relu"')
    found = canonical_activation(value)
    if found is None:
        help = did_you_mean(value, activation_names(), listed=ACTIVATIONS)
        raise Misfit("NE029", "", help)
    return found


def _device(parameter: Parameter, value: Any) -> str:
    name: str = _typed(value, str, 'a device, such as "auto"').strip().lower()
    name = "cuda" + name[3:] if name.startswith("gpu") else name
    if not re.fullmatch(r"auto|cpu|mps|tpu|cuda(:\d{1,3})?", name):
        raise Misfit("NE027", '"auto", "cpu", "cuda", "cuda:0", "mps" or "tpu"')
    return name


CHECKS: dict[str, Callable[[Parameter, Any], Any]] = {
    "choice": _choice,
    "choices": _choices,
    "activation": _activation,
    "shape": _shape,
    "size": _size,
    "pair": _pair,
    "range": _range,
    "numbers": _numbers,
    "device": _device,
}
