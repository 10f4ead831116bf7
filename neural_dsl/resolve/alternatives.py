"""The other values that a search may take: all that `HPO(…)` lists, checked one by one.

A model is compiled with one value of each search space; the others must be such as its
place takes, or the search would fail later. `alternatives` gives them by the span of the
choice, so that a choice that reaches several places (`$d + $d`) is the same in all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from neural_dsl.resolve.findings import Findings
from neural_dsl.resolve.values import (
    UNKNOWN,
    Invalid,
    Place,
    Scope,
    combined,
    evaluate,
    is_number,
    not_a_number,
    spine,
)
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

Alternatives: TypeAlias = Mapping[Span, Any]
NONE: Alternatives = {}


def alternatives(
    value: syntax.Value, scope: Scope, place: Place, findings: Findings
) -> Alternatives:
    """What `value` is with each choice of each search space in it; the others stay as
    they are compiled. `value` has been evaluated before. Reports what cannot be worked
    out, and leaves it out."""
    match value:
        case syntax.MacroParameter(name=name):
            return scope.searched.get(name, NONE)
        case syntax.Call(name=name) if name.text.lower() == "hpo":
            return _of_space(value, scope, place, findings)
        case syntax.Sequence(items=items):
            return _each(items, tuple, scope, place, findings)
        case syntax.Operation():
            operands, operations = spine(value)

            def result(values: Sequence[Any]) -> Any:
                return combined(values, operations, findings)

            return _each(operands, result, scope, place, findings, numbers=True)
    return NONE


def _of_space(
    call: syntax.Call, scope: Scope, place: Place, findings: Findings
) -> Alternatives:
    from neural_dsl.resolve.search import listed_values

    found: dict[Span, Any] = {}
    bounds: dict[str, Any] = {}
    for key, node in listed_values(call):
        inner = alternatives(node, scope, place, findings)
        if inner:
            found.update(inner)
            continue
        value = evaluate(node, scope, place, findings)
        if key == "step":  # the second value of the range
            if UNKNOWN in (value, bounds["low"]):
                continue
            value += bounds["low"]
            if value > bounds["high"]:
                continue
        bounds[key] = value
        found[node.span] = value
    return found


def _each(
    nodes: Sequence[syntax.Value],
    combine: Callable[[Sequence[Any]], Any],
    scope: Scope,
    place: Place,
    findings: Findings,
    *,
    numbers: bool = False,
) -> Alternatives:
    """Several values made into one, for each choice in any of them."""
    choices = [alternatives(node, scope, place, findings) for node in nodes]
    if not any(choices):
        return NONE
    compiled = [evaluate(node, scope, place, findings) for node in nodes]
    found: dict[Span, Any] = {}
    for span in dict.fromkeys(span for each in choices for span in each):
        taken = [each[span] for each in choices if span in each]
        if numbers and not all(each is UNKNOWN or is_number(each) for each in taken):
            not_a_number(span, findings)
            continue
        pairs = zip(choices, compiled, strict=True)
        values = [each.get(span, value) for each, value in pairs]
        try:
            found[span] = combine(values)
        except Invalid:
            continue
    return found
