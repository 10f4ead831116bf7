"""From value syntax to plain Python values: arithmetic, macro parameters, searches."""

from __future__ import annotations

import math
import operator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import SearchValue
from neural_dsl.resolve.search import Space, points_of, space_of
from neural_dsl.resolve.terms import UNKNOWN, At, CallValue, Invalid, is_number, show
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

LARGEST = 2**63
"""Whole numbers reach this far; beyond it, arithmetic is refused (NE046)."""
OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def evaluate(value: syntax.Value, at: At) -> Any:
    """The Python value: a number, string, boolean, None, tuple, dict, CallValue or
    UNKNOWN. Raises Invalid after reporting what is wrong."""
    match value:
        case syntax.LiteralValue(value=literal):
            return _checked(literal, value.span, at.findings)
        case syntax.Word(text=text):
            return text
        case syntax.MacroParameter():
            return _parameter(value, at)
        case syntax.Sequence(items=items):
            return tuple(evaluate(item, at) for item in items)
        case syntax.Mapping(entries=entries):
            return {key.text: evaluate(v, at.below(key.text)) for key, v in entries}
        case syntax.Operation():
            return _arithmetic(value, at)
        case syntax.Call(name=name) if name.text.lower() == "hpo":
            return _searched(value, at)
        case syntax.Call():
            return CallValue(value, at.scope)


def _checked(number: Any, span: Span, findings: Findings) -> Any:
    """Refuse numbers that no model can use: infinite ones and whole ones past 2^63."""
    if isinstance(number, int) and abs(number) >= LARGEST:
        label = "beyond 2^63"
    elif isinstance(number, float) and not math.isfinite(number):
        label = "not a finite number"
    else:
        return number
    message = "this number is too large"
    findings.error("NE046", message, span, label, "use a number that fits a model")
    raise Invalid


def _parameter(value: syntax.MacroParameter, at: At) -> Any:
    known = at.scope.parameters
    if value.name in known:
        if known[value.name] is Invalid:
            raise Invalid
        return known[value.name]
    where, label = "the network", "only a macro's body has `$` parameters"
    help = "write the value itself"
    if at.scope.macro:
        where, label = f"macro `{at.scope.macro}`", "unknown parameter"
        help = did_you_mean(value.name, known, before="$")
    message = f"`${value.name}` is not a parameter of {where}"
    at.findings.error("NE043", message, value.span, label, help)
    raise Invalid


def _arithmetic(value: syntax.Operation, at: At) -> Any:
    """Work out `a * b + c`. Long sums lean left, and are walked without recursion; all
    operands are evaluated before anything is applied."""
    operations, findings = [value], at.findings
    while isinstance(operations[-1].left, syntax.Operation):
        operations.append(operations[-1].left)
    operations.reverse()
    first = operations[0].left  # none where a sign stands in front
    left = 0 if first is None else evaluate(first, at)
    rights = [evaluate(each.right, at) for each in operations]
    for operation, right in zip(operations, rights, strict=True):
        if left is UNKNOWN or right is UNKNOWN:
            left = UNKNOWN
            continue
        for operand, node in ((left, operation.left), (right, operation.right)):
            if node is not None and not is_number(operand):
                text = findings.text(node.span)
                message = f"arithmetic needs numbers, but `{text}` is none"
                findings.error("NE046", message, node.span, "not a number")
                raise Invalid
        span = operation.span
        if operation.operator != "/":
            left = OPERATORS[operation.operator](left, right)
        elif right == 0:
            findings.error("NE046", "division by zero", span, "divides by 0")
            raise Invalid
        else:
            whole = isinstance(left, int) and isinstance(right, int)
            left = left // right if whole and left % right == 0 else left / right
        left = _checked(left, span, findings)
    return left


def _searched(call: syntax.Call, at: At) -> Any:
    """The value of `HPO(…)` that the resolution's choice picks (`Findings.choice`); by
    default the first choice or the lower bound. Records the search value, and what there
    is to choose from, and warns (NW060)."""
    findings, where = at.findings, call.span
    space, picked = space_of(call, findings), findings.choice.get(call.span, 0)
    choices, bounds = space.choices, dict[str, Any]()
    if choices:
        places = tuple(each.span for each in choices)
        chosen = evaluate(choices[min(picked, len(choices) - 1)], at)
    else:
        bounds = {key: evaluate(node, at) for key, node in space.bounds.items()}
        points = points_of(space, bounds, findings)
        places = tuple(span for _, span in points)
        chosen = points[min(picked, len(points) - 1)][0]
    findings.met.append((where, picked, places))
    if where not in findings.searches:
        found = partial(_search_value, space, bounds, chosen, where, at)
        findings.searches[where] = (at.layer, found)
    if chosen is not UNKNOWN:
        shown = show(chosen)
        if isinstance(chosen, CallValue):
            shown = f"`{findings.text(chosen.call.span)}`"
        name = at.path.rpartition(".")[2]
        message = f"`{name}` is searched over; this model is compiled with {shown}"
        label, help = (
            "the lower bound",
            "write a value in place of `HPO(…)` to choose it",
        )
        if choices:
            label, help = (
                "the first choice",
                "put another value first to compile with it",
            )
        findings.warning(
            "NW060", message, where, label, f"nothing searches here; {help}"
        )
    return chosen


def _search_value(
    space: Space, bounds: dict[str, Any], chosen: Any, where: Span, at: At
) -> SearchValue:
    """What is told of a search; of its choices those that cannot be worked out are None."""
    quiet, values = replace(at, findings=Findings(at.findings.source)), list[Any]()
    for choice in space.choices:
        values.append(None)
        with suppress(Invalid):
            values[-1] = _plain(evaluate(choice, quiet))
    arguments = {"values": tuple(values)} if values else bounds
    return SearchValue(at.path, space.kind, arguments, _plain(chosen), where)


def _plain(value: Any) -> Any:
    """A call among the choices is kept by its name; everything else is plain already."""
    if isinstance(value, CallValue):
        return value.call.name.text
    return None if value is UNKNOWN else value
