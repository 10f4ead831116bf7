"""The terms in which values are worked out: where one stands, what `$name` means there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from neural_dsl.syntax import nodes as syntax

UNKNOWN: Final = object()
"""A value that cannot be known: a parameter of a macro that nobody calls."""

LARGEST: Final = 2**63
"""Whole numbers reach this far; beyond it, arithmetic is refused (NE046)."""


class Invalid(Exception):
    """A value that could not be worked out; the reason has been reported."""


@dataclass(frozen=True, eq=False)
class Scope:
    """What `$name` means where a value stands: the parameters of one macro call.
    `passed` names those that are nothing but a parameter of the macro around it."""

    macro: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    passed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CallValue:
    """A call used as a value, not evaluated yet: `ExponentialDecay(0.1, 1000)`."""

    call: syntax.Call
    scope: Scope


@dataclass(frozen=True)
class Place:
    """Where a value stands, for search values: "optimizer.learning_rate", or a parameter
    of the layer with an ordinal in the expanded network (its name comes later)."""

    path: str
    layer: int | None = None

    def below(self, name: str) -> Place:
        """The place of an entry of this one."""
        return Place(f"{self.path}.{name}" if self.path else name, self.layer)


def is_whole(value: Any) -> bool:
    """Whether this is a whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether arithmetic takes it."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def show_value(value: Any) -> str:
    """A value as the language writes it, shortened."""
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "None"
    calls = isinstance(value, tuple) and any(isinstance(v, CallValue) for v in value)
    if calls or (isinstance(value, tuple) and len(value) > 1):
        text = f"({', '.join(map(show_value, value))})"
    elif isinstance(value, CallValue):
        text = f"{value.call.name.text}(…)"
    else:
        text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def describe(value: Any) -> str:
    """What sort of value this is, in a reader's words."""
    return next(text for kind, text in _SORTS.items() if isinstance(value, kind))


_SORTS: Final = {
    type(None): "None",
    CallValue: "a call",
    bool: "true or false",
    int: "a whole number",
    float: "a fractional number",
    str: "text",
    tuple: "a tuple",
    dict: "a mapping",
}
