"""From value syntax to plain Python values: arithmetic, macro parameters, HPO."""

from __future__ import annotations

import math
from typing import Any

from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Findings
from neural_dsl.resolve.search import search_value
from neural_dsl.resolve.terms import (
    LARGEST,
    UNKNOWN,
    CallValue,
    Invalid,
    Place,
    Scope,
    is_number,
)
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax


def evaluate(
    value: syntax.Value, scope: Scope, place: Place, findings: Findings
) -> Any:
    """The Python value: a number, string, boolean, None, tuple, dict, CallValue or
    UNKNOWN. Raises Invalid after reporting what is wrong."""
    match value:
        case syntax.LiteralValue(value=literal):
            return _checked(literal, value.span, findings)
        case syntax.Word(text=text):
            return text
        case syntax.MacroParameter():
            return _parameter(value, scope, findings)
        case syntax.Sequence(items=items):
            return tuple(evaluate(item, scope, place, findings) for item in items)
        case syntax.Mapping(entries=entries):
            return {
                key.text: evaluate(entry, scope, place.below(key.text), findings)
                for key, entry in entries
            }
        case syntax.Operation():
            return _arithmetic(value, scope, place, findings)
        case syntax.Call(name=name) if name.text.lower() == "hpo":
            return search_value(value, scope, place, findings, evaluate)
        case syntax.Call():
            return CallValue(value, scope)


def _checked(number: Any, span: Span, findings: Findings) -> Any:
    """Refuse numbers that no model can use: infinite ones and whole ones past 2^63."""
    too_large = (isinstance(number, int) and abs(number) >= LARGEST) or (
        isinstance(number, float) and not math.isfinite(number)
    )
    if too_large:
        label = "beyond 2^63" if isinstance(number, int) else "not a finite number"
        message = "this number is too large"
        findings.error("NE046", message, span, label, "use a number that fits a model")
        raise Invalid
    return number


def _parameter(value: syntax.MacroParameter, scope: Scope, findings: Findings) -> Any:
    if value.name in scope.parameters:
        found = scope.parameters[value.name]
        if found is Invalid:
            raise Invalid
        return found
    where = f"macro `{scope.macro}`" if scope.macro else "the network"
    message = f"`${value.name}` is not a parameter of {where}"
    label = (
        "unknown parameter" if scope.macro else "only a macro's body has `$` parameters"
    )
    help = (
        did_you_mean(value.name, scope.parameters, before="$")
        if scope.macro
        else "write the value itself"
    )
    findings.error("NE043", message, value.span, label, help)
    raise Invalid


def _arithmetic(
    value: syntax.Operation, scope: Scope, place: Place, findings: Findings
) -> Any:
    """Work out `a * b + c`. Long sums lean left, and are walked without recursion; all
    operands are evaluated before anything is applied."""
    operations = [value]
    while isinstance(operations[-1].left, syntax.Operation):
        operations.append(operations[-1].left)
    operations.reverse()
    first = operations[0].left  # none where a sign stands in front
    result = 0 if first is None else evaluate(first, scope, place, findings)
    rights = [evaluate(each.right, scope, place, findings) for each in operations]
    for operation, right in zip(operations, rights, strict=True):
        if result is UNKNOWN or right is UNKNOWN:
            result = UNKNOWN
            continue
        for operand, node in ((result, operation.left), (right, operation.right)):
            if node is not None and not is_number(operand):
                text = findings.text(node.span)
                message = f"arithmetic needs numbers, but `{text}` is none"
                findings.error("NE046", message, node.span, "not a number")
                raise Invalid
        result = _apply(operation, result, right, findings)
    return result


def _apply(
    operation: syntax.Operation, left: Any, right: Any, findings: Findings
) -> int | float:
    result: int | float
    match operation.operator:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case "/":
            if right == 0:
                span = operation.span
                findings.error("NE046", "division by zero", span, "divides by 0")
                raise Invalid
            exact = isinstance(left, int) and isinstance(right, int)
            result = left // right if exact and left % right == 0 else left / right
    checked: int | float = _checked(result, operation.span, findings)
    return checked
