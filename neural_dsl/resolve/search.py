"""HPO values: what is searched, and the value that the model is compiled with."""

from __future__ import annotations

from typing import Any

from neural_dsl.graph.nodes import SearchValue
from neural_dsl.resolve.arguments import show_value
from neural_dsl.resolve.findings import Findings
from neural_dsl.resolve.suggestions import did_you_mean
from neural_dsl.resolve.values import (
    UNKNOWN,
    CallValue,
    Invalid,
    Place,
    Scope,
    evaluate,
)
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

CHOICES = ("choice", "categorical")
RANGES = ("range", "int_range", "log_range")
BOUNDS = {
    "low": "low",
    "min": "low",
    "start": "low",
    "high": "high",
    "max": "high",
    "end": "high",
    "stop": "high",
    "step": "step",
}


def search_value(
    call: syntax.Call, scope: Scope, place: Place, findings: Findings
) -> Any:
    """The value to compile `HPO(…)` with: the first choice or the lower bound.

    Records the search value and warns (NW060). Raises Invalid after reporting.
    """
    if len(call.arguments) != 1 or not isinstance(call.arguments[0].value, syntax.Call):
        _refuse(
            "`HPO` takes one search space", call.span, findings, "not a search space"
        )
    space = call.arguments[0].value
    assert isinstance(space, syntax.Call)
    kind = space.name.text.lower()
    if kind not in (*CHOICES, *RANGES):
        findings.error(
            "NE072",
            f"`{space.name.text}` is not a search space",
            space.name.span,
            label="unknown search space",
            help=did_you_mean(kind, (*CHOICES, *RANGES)),
        )
        raise Invalid
    if kind in CHOICES:
        arguments, chosen = _choices(space, scope, place, findings)
    else:
        arguments, chosen = _range(space, kind, scope, place, findings)
    if call.span not in findings.searches:
        found = SearchValue(place.path, kind, arguments, _plain(chosen), call.span)
        findings.searches[call.span] = (place.layer, found)
    if chosen is not UNKNOWN:
        name = place.path.rpartition(".")[2]
        findings.warning(
            "NW060",
            f"`{name}` is searched over; this model is compiled with "
            f"{_show(chosen, findings)}",
            call.span,
            label="the first choice" if kind in CHOICES else "the lower bound",
            help="nothing searches here; put another value first to compile with it"
            if kind in CHOICES
            else "nothing searches here; write a value in place of `HPO(…)` to choose it",
        )
    return chosen


def _choices(
    space: syntax.Call, scope: Scope, place: Place, findings: Findings
) -> tuple[dict[str, Any], Any]:
    if any(argument.name for argument in space.arguments):
        _refuse(
            "choices have no names", space.span, findings, "named arguments among these"
        )
    values = _listed(space)
    if not values:
        _refuse("there is nothing to choose from", space.span, findings, "no choices")
    evaluated = [evaluate(value, scope, place, findings) for value in values]
    listed = tuple(_plain(value) for value in evaluated)
    return {"values": listed}, evaluated[0]


def _listed(space: syntax.Call) -> list[syntax.Value]:
    """The choices of `choice(8, 16)` or `choice([8, 16])`."""
    values = [argument.value for argument in space.arguments]
    if (
        len(values) == 1
        and isinstance(values[0], syntax.Sequence)
        and values[0].brackets == "["
    ):
        return list(values[0].items)
    return values


def _bound(position: int, argument: syntax.Argument) -> str:
    """Which of "low", "high" and "step" an argument of a range is; "" for none."""
    if argument.name is None:
        return ("low", "high", "step")[position] if position < 3 else ""
    return BOUNDS.get(argument.name.text.lower(), "")


def listed_values(call: syntax.Call) -> list[tuple[str, syntax.Value]]:
    """What a well-formed `HPO(…)` lists: its choices, or low, high and step by name."""
    space = call.arguments[0].value
    assert isinstance(space, syntax.Call)
    if space.name.text.lower() in CHOICES:
        return [("", value) for value in _listed(space)]
    arguments = enumerate(space.arguments)
    found = {_bound(position, each): each.value for position, each in arguments}
    return [(key, found[key]) for key in ("low", "high", "step") if key in found]


def _range(
    space: syntax.Call, kind: str, scope: Scope, place: Place, findings: Findings
) -> tuple[dict[str, Any], Any]:
    bounds: dict[str, Any] = {}
    for position, argument in enumerate(space.arguments):
        key = _bound(position, argument)
        if not key or key in bounds:
            _refuse(
                f"`{kind}` takes a lower bound, an upper bound and a `step`",
                argument.span,
                findings,
                "given twice" if key else "not one of them",
            )
        bounds[key] = evaluate(argument.value, scope, place, findings)
    _check_bounds(bounds, kind, space.span, findings)
    return bounds, bounds["low"]


def _check_bounds(
    bounds: dict[str, Any], kind: str, span: Span, findings: Findings
) -> None:
    if not {"low", "high"} <= bounds.keys():
        _refuse(f"`{kind}` needs two bounds", span, findings, "a bound is missing")
    if UNKNOWN in bounds.values():
        return
    allowed = (int,) if kind == "int_range" else (int, float)
    for value in bounds.values():
        if isinstance(value, bool) or not isinstance(value, allowed):
            what = "whole numbers" if kind == "int_range" else "numbers"
            _refuse(f"`{kind}` takes {what}", span, findings, "another kind of value")
    if bounds["low"] >= bounds["high"]:
        _refuse(
            f"the lower bound of `{kind}` must be below the upper bound",
            span,
            findings,
            f"{bounds['low']} is not below {bounds['high']}",
        )
    if kind == "log_range" and bounds["low"] <= 0:
        _refuse("a `log_range` starts above 0", span, findings, "0 has no logarithm")
    if "step" in bounds and bounds["step"] <= 0:
        _refuse("`step` must be above 0", span, findings, "never reaches the end")


def _refuse(message: str, span: Span, findings: Findings, label: str) -> None:
    findings.error(
        "NE072",
        message,
        span,
        label=label,
        help="write `HPO(choice(32, 64))`, `HPO(range(0.1, 0.5, step=0.1))`, "
        "`HPO(int_range(1, 8))` or `HPO(log_range(1e-4, 1e-2))`",
    )
    raise Invalid


def _plain(value: Any) -> Any:
    """A call among the choices is kept by its name; everything else is plain already."""
    if isinstance(value, CallValue):
        return value.call.name.text
    return None if value is UNKNOWN else value


def _show(value: Any, findings: Findings) -> str:
    if isinstance(value, CallValue):
        return f"`{findings.text(value.call.span)}`"
    return show_value(value)
