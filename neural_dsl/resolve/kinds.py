"""Checks of one value against the kind of a parameter (catalogue.spec.Kind)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from neural_dsl.catalogue.activations import (
    ACTIVATIONS,
    activation_names,
    canonical_activation,
)
from neural_dsl.catalogue.spec import Parameter
from neural_dsl.resolve.suggestions import did_you_mean, only_near
from neural_dsl.resolve.terms import CallValue

LARGEST_SIZE = 2**31 - 1
"""Sizes reach this far: beyond it neither framework can index a tensor."""
LARGEST_SEED = 2**32 - 1
"""The largest seed that NumPy, PyTorch and TensorFlow all take."""


class Misfit(Exception):
    """A value that a parameter does not take."""

    def __init__(self, code: str, expected: str, help: str = ""):
        super().__init__(expected)
        self.code = code
        self.expected = expected
        self.help = help


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _int(parameter: Parameter, value: Any) -> int:
    if not _is_whole(value):
        raise Misfit("NE026", "a whole number")
    if abs(value) > LARGEST_SIZE:
        raise Misfit("NE027", f"at most {LARGEST_SIZE:,}")
    return int(value)


def _count(parameter: Parameter, value: Any) -> int:
    if not _is_whole(value):
        raise Misfit("NE026", "a whole number")
    if not 1 <= value <= LARGEST_SIZE:
        expected = "1 or more" if value < 1 else f"at most {LARGEST_SIZE:,}"
        raise Misfit("NE027", expected)
    return int(value)


def _natural(parameter: Parameter, value: Any) -> int:
    if not _is_whole(value):
        raise Misfit("NE026", "a whole number")
    if not 0 <= value <= LARGEST_SEED:
        expected = "0 or more" if value < 0 else f"at most {LARGEST_SEED:,}"
        raise Misfit("NE027", expected)
    return int(value)


def _float(parameter: Parameter, value: Any) -> float:
    if not _is_number(value) or not math.isfinite(value):
        raise Misfit("NE026", "a number")
    return float(value)


def _positive(parameter: Parameter, value: Any) -> float:
    number = _float(parameter, value)
    if number <= 0:
        raise Misfit("NE027", "above 0")
    return number


def _rate(parameter: Parameter, value: Any) -> float:
    number = _float(parameter, value)
    if not 0 <= number < 1:
        raise Misfit("NE027", "at least 0 and below 1")
    return number


def _bool(parameter: Parameter, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Misfit("NE026", "true or false")
    return value


def _choice(parameter: Parameter, value: Any) -> str:
    *first, last = (f'"{each}"' for each in dict.fromkeys(parameter.choices.values()))
    listed = f"{', '.join(first)} or {last}" if first else last
    if value is None and "none" in parameter.choices:
        return parameter.choices["none"]
    if not isinstance(value, str):
        raise Misfit("NE026", listed)
    found = parameter.choices.get(value.strip().lower())
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


def _range(parameter: Parameter, value: Any) -> int | tuple[int, int]:
    """A count, or the lowest and the highest; equal ones are a count too."""
    if not isinstance(value, tuple):
        return _count(parameter, value)
    if len(value) != 2 or not all(map(_is_whole, value)):
        raise Misfit("NE026", "a whole number or two of them, such as (4, 8)")
    low, high = (_count(parameter, each) for each in value)
    if low > high:
        raise Misfit("NE027", "in rising order: the shortest, the longest")
    return low if low == high else (low, high)


def _activation(parameter: Parameter, value: Any) -> str:
    if value is None:
        return "linear"
    if not isinstance(value, str):
        raise Misfit("NE026", 'the name of an activation, such as "relu"')
    found = canonical_activation(value)
    if found is None:
        help = did_you_mean(value, activation_names(), listed=ACTIVATIONS)
        raise Misfit("NE029", "", help)
    return found


def _shape(parameter: Parameter, value: Any) -> tuple[int, ...]:
    sizes = value if isinstance(value, tuple) else (value,)
    if not sizes or not all(_is_whole(size) for size in sizes):
        raise Misfit("NE026", "a shape, such as (16, 32)")
    if sizes.count(-1) > 1 or any(
        size != -1 and not 1 <= size <= LARGEST_SIZE for size in sizes
    ):
        raise Misfit("NE027", "sizes of 1 or more, one of which may be -1")
    return sizes


def _pair(parameter: Parameter, value: Any) -> tuple[int, int]:
    """A count for both axes, or one for each: (rows, columns)."""
    given = value if isinstance(value, tuple) else (value, value)
    if len(given) != 2 or not all(map(_is_whole, given)):
        raise Misfit("NE026", "a whole number or two of them, such as (3, 5)")
    rows, columns = (_count(parameter, each) for each in given)
    return rows, columns


def _size(parameter: Parameter, value: Any) -> int:
    if isinstance(value, tuple):
        if len(value) != 1:
            raise Misfit("NE026", "one whole number")
        value = value[0]
    return _count(parameter, value)


def _non_negative(parameter: Parameter, value: Any) -> float:
    number = _float(parameter, value)
    if number < 0:
        raise Misfit("NE027", "0 or more")
    return number


def _fraction(parameter: Parameter, value: Any) -> float:
    number = _float(parameter, value)
    if not 0 <= number <= 1:
        raise Misfit("NE027", "between 0 and 1")
    return number


def _numbers(parameter: Parameter, value: Any) -> tuple[float, ...]:
    if not isinstance(value, tuple) or not value or not all(map(_is_number, value)):
        raise Misfit("NE026", "a list of numbers, such as [100, 200]")
    return value


def _text(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str):
        raise Misfit("NE026", "a word")
    return value


def _device(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str):
        raise Misfit("NE026", 'a device, such as "auto"')
    name = value.strip().lower()
    name = "cuda" + name[3:] if name.startswith("gpu") else name
    if not re.fullmatch(r"auto|cpu|mps|tpu|cuda(:\d{1,3})?", name):
        raise Misfit("NE027", '"auto", "cpu", "cuda", "cuda:0", "mps" or "tpu"')
    return name


def _learning_rate(parameter: Parameter, value: Any) -> Any:
    """A rate; the name or call of a schedule is looked up by the caller."""
    if isinstance(value, str | CallValue):
        return value
    return _positive(parameter, value)


def _stopping(parameter: Parameter, value: Any) -> Any:
    """What early stopping takes; the caller makes it a Setting."""
    if isinstance(value, bool | str | CallValue | dict):
        return value
    return _count(parameter, value)


CHECKS: dict[str, Callable[[Parameter, Any], Any]] = {
    "int": _int,
    "count": _count,
    "natural": _natural,
    "float": _float,
    "positive": _positive,
    "rate": _rate,
    "bool": _bool,
    "choice": _choice,
    "choices": _choices,
    "activation": _activation,
    "shape": _shape,
    "size": _size,
    "pair": _pair,
    "non_negative": _non_negative,
    "fraction": _fraction,
    "range": _range,
    "numbers": _numbers,
    "text": _text,
    "device": _device,
    "learning_rate": _learning_rate,
    "stopping": _stopping,
}


def fit(parameter: Parameter, value: Any) -> Any:
    """The value as the parameter keeps it. Raises Misfit.

    None stands for "work it out" where that is the parameter's default.
    """
    if value is None and parameter.default is None:
        return None
    return CHECKS[parameter.kind](parameter, value)
