"""Search spaces: what stands in an `HPO(…)`, and which of its values are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Findings
from neural_dsl.resolve.terms import UNKNOWN, Invalid
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

CHOICES = ("choice", "categorical")
RANGES = ("range", "int_range", "log_range")
LOW, HIGH = ("low", "min", "start"), ("high", "max", "end", "stop")
BOUNDS = dict.fromkeys(LOW, "low") | dict.fromkeys(HIGH, "high") | {"step": "step"}

ALL_OF = 12
"""Ranges of at most so many whole numbers are checked at each of them."""


@dataclass(frozen=True)
class Space:
    """One search space: its choices, or the bounds of its range ("low", "high", and
    perhaps "step")."""

    kind: str
    span: Span
    choices: tuple[syntax.Value, ...] = ()
    bounds: Mapping[str, syntax.Value] = field(default_factory=dict)


def space_of(call: syntax.Call, findings: Findings) -> Space:
    """The `choice(…)` or `range(…)` of an `HPO(…)`. Raises Invalid after reporting."""
    space = call.arguments[0].value if len(call.arguments) == 1 else None
    if not isinstance(space, syntax.Call):
        message, label = "`HPO` takes one search space", "not a search space"
        _refuse(findings, message, call.span, label)
    kind, span = space.name.text.lower(), space.span
    if kind in CHOICES:
        if any(argument.name for argument in space.arguments):
            label = "named arguments among these"
            _refuse(findings, "choices have no names", span, label)
        choices = tuple(argument.value for argument in space.arguments)
        match choices:
            case [syntax.Sequence(items=items, brackets="[")]:
                choices = items
        if not choices:
            _refuse(findings, "there is nothing to choose from", span, "no choices")
        return Space(kind, span, choices)
    if kind not in RANGES:
        message = f"`{space.name.text}` is not a search space"
        help = did_you_mean(kind, (*CHOICES, *RANGES))
        findings.error("NE072", message, space.name.span, "unknown search space", help)
        raise Invalid
    bounds: dict[str, syntax.Value] = {}
    for position, argument in enumerate(space.arguments):
        if argument.name is not None:
            key = BOUNDS.get(argument.name.text.lower(), "")
        else:
            key = ("low", "high", "step")[position] if position < 3 else ""
        if not key or key in bounds:
            message = f"`{kind}` takes a lower bound, an upper bound and a `step`"
            label = "given twice" if key else "not one of them"
            _refuse(findings, message, argument.span, label)
        bounds[key] = argument.value
    if not {"low", "high"} <= bounds.keys():
        _refuse(findings, f"`{kind}` needs two bounds", span, "a bound is missing")
    return Space(kind, span, bounds=bounds)


def points_of(
    space: Space, bounds: Mapping[str, Any], findings: Findings
) -> list[tuple[Any, Span]]:
    """The values of a range that are checked, and where they stand: the bounds, and with
    a step or whole numbers those between, or some of them. Raises Invalid after reporting
    bounds that are none."""
    kind, span, low, high = space.kind, space.span, bounds["low"], bounds["high"]
    places = {key: node.span for key, node in space.bounds.items()}
    ends = [(low, places["low"]), (high, places["high"])]
    if UNKNOWN in bounds.values():
        return ends
    allowed = int if kind == "int_range" else int | float
    for value in bounds.values():
        if isinstance(value, bool) or not isinstance(value, allowed):
            what = "whole numbers" if kind == "int_range" else "numbers"
            _refuse(findings, f"`{kind}` takes {what}", span, "another kind of value")
    if low >= high:
        message = f"the lower bound of `{kind}` must be below the upper bound"
        _refuse(findings, message, span, f"{low} is not below {high}")
    if kind == "log_range" and low <= 0:
        _refuse(findings, "a `log_range` starts above 0", span, "0 has no logarithm")
    if bounds.get("step", 1) <= 0:
        _refuse(findings, "`step` must be above 0", span, "never reaches the end")
    integers = isinstance(low, int) and isinstance(high, int)
    step = bounds.get("step", 1 if integers else None)
    if step is None or kind == "log_range":
        return ends
    between = [(low + step, places.get("step", span))]
    if integers and isinstance(step, int):
        count = (high - low) // step  # of points after the lowest
        rest = range(2, count + 1) if count < ALL_OF else (count // 2,)
        between += [(low + number * step, span) for number in rest]
    return [ends[0], *(each for each in between if each[0] < high), ends[1]]


def _refuse(findings: Findings, message: str, span: Span, label: str) -> NoReturn:
    help = (
        "write `HPO(choice(32, 64))`, `HPO(range(0.1, 0.5, step=0.1))`, "
        "`HPO(int_range(1, 8))` or `HPO(log_range(1e-4, 1e-2))`"
    )
    findings.error("NE072", message, span, label, help)
    raise Invalid
