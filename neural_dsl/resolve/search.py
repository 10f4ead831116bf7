"""HPO values: what is searched, and the value that the model is compiled with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, TypeAlias

from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import SearchValue
from neural_dsl.resolve.suggestions import did_you_mean
from neural_dsl.resolve.terms import (
    UNKNOWN,
    CallValue,
    Invalid,
    Place,
    Scope,
    show_value,
)
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

Evaluate: TypeAlias = Callable[[syntax.Value, Scope, Place, Findings], Any]

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


ALL_OF = 12
"""Ranges of at most so many whole numbers are checked at each of them."""


def search_value(
    call: syntax.Call,
    scope: Scope,
    place: Place,
    findings: Findings,
    evaluate: Evaluate,
) -> Any:
    """The value of `HPO(…)` that the resolution's choice picks (`Findings.choice`); by
    default the first choice or the lower bound.

    Records the search value, and what there is to choose from, and warns (NW060). Raises
    Invalid after reporting.
    """
    space = _space(call, findings)
    kind = space.name.text.lower()
    points = _points(space, kind, scope, place, findings, evaluate)
    number = min(findings.choice.get(call.span, 0), len(points.spans) - 1)
    chosen = points.value(number)
    findings.spaces.setdefault(call.span, points.spans)
    if call.span not in findings.searches:
        arguments = points.arguments()
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


def _space(call: syntax.Call, findings: Findings) -> syntax.Call:
    """The `choice(…)` or `range(…)` of an `HPO(…)`."""
    space = call.arguments[0].value if len(call.arguments) == 1 else None
    if not isinstance(space, syntax.Call):
        _refuse(
            "`HPO` takes one search space", call.span, findings, "not a search space"
        )
    kind = space.name.text.lower()
    if kind not in (*CHOICES, *RANGES):
        message = f"`{space.name.text}` is not a search space"
        help = did_you_mean(kind, (*CHOICES, *RANGES))
        findings.error("NE072", message, space.name.span, "unknown search space", help)
        raise Invalid
    return space


@dataclass(frozen=True)
class Points:
    """What one search space has to choose from, and where each of it stands. Only the
    value that is chosen is worked out aloud; `arguments` are what the space says."""

    spans: tuple[Span, ...]
    value: Callable[[int], Any]
    arguments: Callable[[], Mapping[str, Any]]


def _points(
    space: syntax.Call,
    kind: str,
    scope: Scope,
    place: Place,
    findings: Findings,
    evaluate: Evaluate,
) -> Points:
    if kind in CHOICES:
        values = _listed(space, findings)

        def listed() -> Mapping[str, Any]:
            quiet = Findings(findings.source)
            return {"values": tuple(map(partial(plainly, quiet=quiet), values))}

        def plainly(value: syntax.Value, quiet: Findings) -> Any:
            with suppress(Invalid):
                return _plain(evaluate(value, scope, place, quiet))
            return None

        return Points(
            tuple(value.span for value in values),
            lambda number: evaluate(values[number], scope, place, findings),
            listed,
        )
    nodes = _bound_nodes(space, kind, findings)
    bounds = {k: evaluate(node, scope, place, findings) for k, node in nodes.items()}
    _check_bounds(bounds, kind, space.span, findings)
    points = _of_range(bounds, {k: node.span for k, node in nodes.items()}, space.span)
    if kind == "log_range":
        points = [points[0], points[-1]]
    return Points(
        tuple(span for _, span in points),
        lambda number: points[number][0],
        lambda: bounds,
    )


def _of_range(
    bounds: Mapping[str, Any], spans: Mapping[str, Span], whole: Span
) -> list[tuple[Any, Span]]:
    """The values of a range that are checked, and where they stand: the bounds, and with
    a step or whole numbers those between, or some of them."""
    low, high = bounds["low"], bounds["high"]
    ends = [(low, spans["low"]), (high, spans["high"])]
    integers = isinstance(low, int) and isinstance(high, int)
    step = bounds.get("step", 1 if integers else None)
    if step is None or UNKNOWN in (low, high, step):
        return ends
    second = (low + step, spans.get("step", whole))
    between = [second] if second[0] < high else []
    if integers and isinstance(step, int):
        count = (high - low) // step  # of points after the lowest
        rest = range(2, count + 1) if count < ALL_OF else (count // 2,)
        inner = [low + number * step for number in rest]
        between += [(value, whole) for value in inner if value < high]
    return [ends[0], *between, ends[1]]


def _listed(space: syntax.Call, findings: Findings) -> list[syntax.Value]:
    """The choices of `choice(8, 16)` or `choice([8, 16])`."""
    if any(argument.name for argument in space.arguments):
        _refuse(
            "choices have no names", space.span, findings, "named arguments among these"
        )
    values = [argument.value for argument in space.arguments]
    if (
        len(values) == 1
        and isinstance(values[0], syntax.Sequence)
        and values[0].brackets == "["
    ):
        values = list(values[0].items)
    if not values:
        _refuse("there is nothing to choose from", space.span, findings, "no choices")
    return values


def _bound_nodes(
    space: syntax.Call, kind: str, findings: Findings
) -> dict[str, syntax.Value]:
    """The arguments of a range as "low", "high" and "step"."""
    found: dict[str, syntax.Value] = {}
    for position, argument in enumerate(space.arguments):
        if argument.name is not None:
            key = BOUNDS.get(argument.name.text.lower(), "")
        else:
            key = ("low", "high", "step")[position] if position < 3 else ""
        if not key or key in found:
            _refuse(
                f"`{kind}` takes a lower bound, an upper bound and a `step`",
                argument.span,
                findings,
                "given twice" if key else "not one of them",
            )
        found[key] = argument.value
    if not {"low", "high"} <= found.keys():
        _refuse(
            f"`{kind}` needs two bounds", space.span, findings, "a bound is missing"
        )
    return found


def _check_bounds(
    bounds: dict[str, Any], kind: str, span: Span, findings: Findings
) -> None:
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


def _refuse(message: str, span: Span, findings: Findings, label: str) -> NoReturn:
    help = (
        "write `HPO(choice(32, 64))`, `HPO(range(0.1, 0.5, step=0.1))`, "
        "`HPO(int_range(1, 8))` or `HPO(log_range(1e-4, 1e-2))`"
    )
    findings.error("NE072", message, span, label, help)
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
