"""The terms in which values are worked out: where one stands, what `$name` means there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from neural_dsl.graph.findings import Findings
from neural_dsl.syntax import nodes as syntax

UNKNOWN: Final = object()
"""A value that cannot be known: a parameter of a macro that nobody calls."""


class Invalid(Exception):
    """A value that could not be worked out; the reason has been reported."""


@dataclass(frozen=True, eq=False)
class Scope:
    """What `$name` means where a value stands: the parameters of one macro call.
    `passed` names those that are nothing but a parameter of the macro around it."""

    macro: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    passed: Mapping[str, str] = field(default_factory=dict)

    def told(self, names: Iterable[str]) -> str:
        """Equal where these parameters are; "" where they are compared by what they call."""
        values = [self.parameters.get(name) for name in names]
        calls = any(isinstance(value, CallValue | dict) for value in values)
        return "" if calls else repr(values)


@dataclass(frozen=True)
class At:
    """Where a value stands: what `$name` means, and who is told of mistakes. For search
    values, the `path` to it, "optimizer.learning_rate", or that below the layer with this
    ordinal in the expanded network (its name comes later)."""

    findings: Findings
    scope: Scope = field(default_factory=Scope)
    path: str = ""
    layer: int | None = None

    def below(self, name: str) -> At:
        """The place of an entry of this one."""
        path = f"{self.path}.{name}" if self.path else name
        return At(self.findings, self.scope, path, self.layer)


@dataclass(frozen=True)
class CallValue:
    """A call used as a value, not evaluated yet: `ExponentialDecay(0.1, 1000)`."""

    call: syntax.Call
    scope: Scope


def is_whole(value: Any) -> bool:
    """Whether this is a whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether arithmetic takes it."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def show(value: Any) -> str:
    """A value as the language writes it, shortened."""
    calls = isinstance(value, tuple) and any(isinstance(v, CallValue) for v in value)
    if isinstance(value, bool):
        text = str(value).lower()
    elif calls or (isinstance(value, tuple) and len(value) > 1):
        text = f"({', '.join(map(show, value))})"
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
