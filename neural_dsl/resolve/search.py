"""HPO values: what is searched, and the value that the model is compiled with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import SearchValue
from neural_dsl.resolve.terms import UNKNOWN, CallValue, Invalid, Place, Scope
from neural_dsl.resolve.terms import show_value as show
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

Evaluate: TypeAlias = Callable[[syntax.Value, Scope, Place, Findings], Any]

CHOICES = ("choice", "categorical")
RANGES = ("range", "int_range", "log_range")
LOW, HIGH = ("low", "min", "start"), ("high", "max", "end", "stop")
BOUNDS = dict.fromkeys(LOW, "low") | dict.fromkeys(HIGH, "high") | {"step": "step"}

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
    return _Search(call, scope, place, findings, evaluate).value()


@dataclass(frozen=True)
class _Search:
    """One `HPO(…)`, where it stands, and how values are worked out there."""

    call: syntax.Call
    scope: Scope
    place: Place
    findings: Findings
    evaluate: Evaluate

    def value(self) -> Any:
        """The chosen value. Of several choices only this one is worked out aloud."""
        space, findings, where = self._space(), self.findings, self.call.span
        kind = space.name.text.lower()
        choices: list[syntax.Value] = []
        bounds: dict[str, Any] = {}
        points: list[tuple[Any, Span]]
        if kind in CHOICES:
            choices = self._choices(space)
            points = [(each, each.span) for each in choices]
        else:
            nodes = self._bound_nodes(space, kind)
            bounds = {key: self._evaluated(node) for key, node in nodes.items()}
            self._check_bounds(bounds, kind, space.span)
            spans = {key: node.span for key, node in nodes.items()}
            points = _of_range(bounds, spans, space.span)
            points = [points[0], points[-1]] if kind == "log_range" else points
        chosen = points[min(findings.choice.get(where, 0), len(points) - 1)][0]
        chosen = self._evaluated(chosen) if choices else chosen
        findings.spaces.setdefault(where, tuple(span for _, span in points))
        if where not in findings.searches:
            quietly = {"values": tuple(map(self._quietly, choices))}
            arguments = quietly if choices else bounds
            found = SearchValue(self.place.path, kind, arguments, _plain(chosen), where)
            findings.searches[where] = (self.place.layer, found)
        if chosen is not UNKNOWN:
            self._warn(chosen, bool(choices))
        return chosen

    def _evaluated(self, value: syntax.Value) -> Any:
        return self.evaluate(value, self.scope, self.place, self.findings)

    def _quietly(self, value: syntax.Value) -> Any:
        quiet = Findings(self.findings.source)
        with suppress(Invalid):
            return _plain(self.evaluate(value, self.scope, self.place, quiet))
        return None

    def _warn(self, chosen: Any, listed: bool) -> None:
        name = self.place.path.rpartition(".")[2]
        shown = show(chosen)
        if isinstance(chosen, CallValue):
            shown = f"`{self.findings.text(chosen.call.span)}`"
        message = f"`{name}` is searched over; this model is compiled with {shown}"
        label, how = (
            "the lower bound",
            "write a value in place of `HPO(…)` to choose it",
        )
        if listed:
            label, how = (
                "the first choice",
                "put another value first to compile with it",
            )
        help = f"nothing searches here; {how}"
        self.findings.warning("NW060", message, self.call.span, label, help)

    def _space(self) -> syntax.Call:
        """The `choice(…)` or `range(…)` of an `HPO(…)`."""
        given, place = self.call.arguments, self.call.span
        space = given[0].value if len(given) == 1 else None
        if not isinstance(space, syntax.Call):
            self._refuse("`HPO` takes one search space", place, "not a search space")
        kind, name = space.name.text.lower(), space.name
        if kind not in (*CHOICES, *RANGES):
            message = f"`{name.text}` is not a search space"
            help = did_you_mean(kind, (*CHOICES, *RANGES))
            label = "unknown search space"
            self.findings.error("NE072", message, name.span, label, help)
            raise Invalid
        return space

    def _choices(self, space: syntax.Call) -> list[syntax.Value]:
        """The choices of `choice(8, 16)` or `choice([8, 16])`."""
        if any(argument.name for argument in space.arguments):
            label = "named arguments among these"
            self._refuse("choices have no names", space.span, label)
        values = [argument.value for argument in space.arguments]
        match values:
            case [syntax.Sequence(items=items, brackets="[")]:
                values = list(items)
        if not values:
            self._refuse("there is nothing to choose from", space.span, "no choices")
        return values

    def _bound_nodes(self, space: syntax.Call, kind: str) -> dict[str, syntax.Value]:
        """The arguments of a range as "low", "high" and "step"."""
        found: dict[str, syntax.Value] = {}
        for position, argument in enumerate(space.arguments):
            if argument.name is not None:
                key = BOUNDS.get(argument.name.text.lower(), "")
            else:
                key = ("low", "high", "step")[position] if position < 3 else ""
            if not key or key in found:
                message = f"`{kind}` takes a lower bound, an upper bound and a `step`"
                label = "given twice" if key else "not one of them"
                self._refuse(message, argument.span, label)
            found[key] = argument.value
        if not {"low", "high"} <= found.keys():
            label = "a bound is missing"
            self._refuse(f"`{kind}` needs two bounds", space.span, label)
        return found

    def _check_bounds(self, bounds: dict[str, Any], kind: str, span: Span) -> None:
        if UNKNOWN in bounds.values():
            return
        low, high = bounds["low"], bounds["high"]
        allowed = int if kind == "int_range" else int | float
        for value in bounds.values():
            if isinstance(value, bool) or not isinstance(value, allowed):
                what = "whole numbers" if kind == "int_range" else "numbers"
                self._refuse(f"`{kind}` takes {what}", span, "another kind of value")
        if low >= high:
            message = f"the lower bound of `{kind}` must be below the upper bound"
            self._refuse(message, span, f"{low} is not below {high}")
        if kind == "log_range" and low <= 0:
            self._refuse("a `log_range` starts above 0", span, "0 has no logarithm")
        if bounds.get("step", 1) <= 0:
            self._refuse("`step` must be above 0", span, "never reaches the end")

    def _refuse(self, message: str, span: Span, label: str) -> NoReturn:
        help = (
            "write `HPO(choice(32, 64))`, `HPO(range(0.1, 0.5, step=0.1))`, "
            "`HPO(int_range(1, 8))` or `HPO(log_range(1e-4, 1e-2))`"
        )
        self.findings.error("NE072", message, span, label, help)
        raise Invalid


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


def _plain(value: Any) -> Any:
    """A call among the choices is kept by its name; everything else is plain already."""
    if isinstance(value, CallValue):
        return value.call.name.text
    return None if value is UNKNOWN else value
