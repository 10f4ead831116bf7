"""Macros: which exist, what a call gives their parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from neural_dsl.catalogue import find_layer
from neural_dsl.diagnostics import Related
from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Findings
from neural_dsl.resolve.arguments import passed
from neural_dsl.resolve.terms import Invalid, Place, Scope
from neural_dsl.resolve.values import evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax


class Macros:
    """The macros of a file by name; a spelling in another case is found too."""

    def __init__(self, items: Iterable[syntax.Define], findings: Findings):
        self.by_name: dict[str, syntax.Define] = {}
        self._by_lower: dict[str, syntax.Define] = {}
        for define in items:
            first = self.by_name.get(define.name.text)
            if first is not None:
                message = f"the macro `{define.name.text}` is defined twice"
                related = (Related(first.name.span, "first defined here"),)
                label = "defined again"
                help = "give one of them another name"
                findings.error("NE056", message, define.name.span, label, help, related)
                continue
            self.by_name[define.name.text] = define
            self._by_lower.setdefault(define.name.text.lower(), define)
            _check_parameters(define, findings)

    def find(self, name: str) -> syntax.Define | None:
        """The macro of this name."""
        return self.by_name.get(name) or self._by_lower.get(name.lower())

    def called(self, name: str, expanding: Collection[str]) -> syntax.Define | None:
        """The macro that a name calls inside the macros `expanding`: one that is named
        after a layer may hold that layer."""
        define = self.find(name)
        if define is not None and define.name.text in expanding and find_layer(name):
            return None
        return define


def _check_parameters(define: syntax.Define, findings: Findings) -> None:
    seen: dict[str, Span] = {}
    for parameter in define.parameters:
        if parameter.text in seen:
            name, first = define.name.text, seen[parameter.text]
            message = f"the parameter `{parameter.text}` stands twice in `{name}`"
            findings.again("NE053", message, parameter.span, first)
        seen[parameter.text] = parameter.span
    if define.parameters:
        used = set(_used(define.body))
        for parameter in define.parameters:
            if parameter.text not in used:
                findings.warning(
                    "NW024",
                    f"the macro `{define.name.text}` does not use its parameter "
                    f"`{parameter.text}`",
                    parameter.span,
                    label="what calls give for it has no effect",
                    help=f"write `${parameter.text}` where it belongs, or remove it",
                )


def _used(tree: object) -> Iterator[str]:
    """The names of the `$parameters` anywhere in a syntax tree."""
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, syntax.MacroParameter):
            yield node.name
        elif isinstance(node, tuple):
            left.extend(node)
        elif is_dataclass(node):
            left.extend(getattr(node, field.name) for field in fields(node))


def call_scope(
    define: syntax.Define, call: syntax.LayerNode, scope: Scope, findings: Findings
) -> Scope | None:
    """The scope of the body for one call; None after reporting wrong arguments."""
    names = [parameter.text for parameter in define.parameters]
    given: dict[str, syntax.Argument] = {}
    ok = True
    for position, argument in enumerate(call.arguments or ()):
        if argument.name is not None:
            name = argument.name.text
            if name not in names:
                ok = False
                findings.error(
                    "NE044",
                    f"the macro `{define.name.text}` has no parameter `{name}`",
                    argument.name.span,
                    label="unknown parameter",
                    help=did_you_mean(name, names),
                    related=(Related(define.name.span, "defined here"),),
                )
                continue
        elif position < len(names):
            name = names[position]
        else:
            _wrong_count(define, call, findings)
            return None
        if name in given:
            ok = False
            first, message = given[name].span, f"`{name}` is given twice"
            findings.twice("NE024", message, argument.span, first)
        given.setdefault(name, argument)
    if ok and len(given) < len(names):
        _wrong_count(define, call, findings)
        ok = False
    if not ok:
        return None
    values: dict[str, Any] = {}
    for name, argument in given.items():
        try:
            place = Place(f"{define.name.text}.{name}")
            values[name] = evaluate(argument.value, scope, place, findings)
        except Invalid:
            values[name] = Invalid
    return Scope(define.name.text, values, passed(given))


def _wrong_count(
    define: syntax.Define, call: syntax.LayerNode, findings: Findings
) -> None:
    names, count = [each.text for each in define.parameters], len(call.arguments or ())
    takes, label = "no arguments", "takes none"
    if names:
        takes = f"{len(names)} argument{'s' * (len(names) != 1)}"
        label = "needs " + ", ".join(f"`{name}`" for name in names)
    given = f"{count} {'is' if count == 1 else 'are'} given"
    message = f"the macro `{define.name.text}` takes {takes}, but {given}"
    related = (Related(define.name.span, "defined here"),)
    findings.error("NE044", message, call.name.span, label, "", related)
