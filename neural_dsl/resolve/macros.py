"""Macros: which exist, what a call gives their parameters, how large they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias

from neural_dsl.catalogue import find_layer
from neural_dsl.diagnostics import Related
from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Findings
from neural_dsl.resolve.arguments import matched, passed
from neural_dsl.resolve.terms import At, Invalid, Scope
from neural_dsl.resolve.values import evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

DEEPEST = 100
"""Blocks and calls inside one another beyond this are not counted."""

Row: TypeAlias = Sequence[syntax.Statement]


MAX_LAYERS = 100_000
"""Layers of one expanded network; a file that asks for more is refused (NE048). So many
compile in some ten seconds: time and memory grow in step with them. As many steps of
expansion are taken at most, so that macros without layers come to an end too."""


@dataclass(frozen=True)
class Size:
    """At least so many layers, and so many steps of expansion."""

    layers: int = 0
    steps: int = 0

    def __add__(self, other: Size) -> Size:
        """One after the other."""
        return Size(self.layers + other.layers, self.steps + other.steps)

    def __sub__(self, other: Size) -> Size:
        """What is more than in the other."""
        return Size(self.layers - other.layers, self.steps - other.steps)

    @property
    def too_large(self) -> bool:
        """Whether a network of this size is refused."""
        return max(self.layers, self.steps) > MAX_LAYERS


class Macros:
    """The macros of a file by name; a spelling in another case is found too. `used` are
    those that a network calls. `memo` and `rules` keep what macros and layers gave, for
    all networks of the file and each choice of its searches; `named` says whether any
    layer of these has a name of its own."""

    def __init__(self, items: Iterable[syntax.Define], findings: Findings):
        self.by_name: dict[str, syntax.Define] = {}
        self._by_lower: dict[str, syntax.Define] = {}
        self.used: set[str] = set()
        self.memo: dict[object, Any] = {}
        self.named = False
        self.rules: dict[object, Any] = {}
        self._sizes: dict[str, Size] = {}
        self._open: list[str] = []
        self._names: dict[tuple[int, int], Collection[str]] = {}
        for define in items:
            name = define.name.text
            first = self.by_name.get(name)
            if first is not None:
                message = f"the macro `{name}` is defined twice"
                related = (Related(first.name.span, "first defined here"),)
                label, help = "defined again", "give one of them another name"
                findings.error("NE056", message, define.name.span, label, help, related)
                continue
            self.by_name[name] = define
            self._by_lower.setdefault(name.lower(), define)
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

    def names_in(self, row: Row) -> Collection[str]:
        """The `$parameters` in a row of statements, which is looked through once."""
        key = (id(row[0]), len(row))
        if key not in self._names:
            self._names[key] = dict.fromkeys(_used(tuple(row)))
        return self._names[key]

    @property
    def counted(self) -> set[str]:
        """The names of the macros whose size was asked for so far."""
        return {*self._sizes, *self._open}

    def size(self, define: syntax.Define) -> Size:
        """The least size of what a call of this macro stands for, told without expanding
        it: forty macros, each calling the one before it twice, stand for a million million
        layers, and counting takes forty steps."""
        name = define.name.text
        if name in self._sizes:
            return self._sizes[name]
        if name in self._open or len(self._open) > DEEPEST:
            return Size()  # it contains itself, or nests too deep: reported elsewhere
        self._open.append(name)
        self._sizes[name] = self._size_of(define.body, 0)
        self._open.pop()
        return self._sizes[name]

    def excess(self, define: syntax.Define, around: tuple[str, ...] = ()) -> Span:
        """Where a macro gets too large, in the innermost macro; `around` are the macros
        that it was reached through."""
        total, around = Size(), (*around, define.name.text)
        for statement in define.body:
            total += self._size_of((statement,), 0)
            if not total.too_large:
                continue
            inner = None
            if isinstance(statement, syntax.LayerNode):
                inner = self.find(statement.name.text)
            if inner is None or inner.name.text in around:
                return statement.span
            large = self.size(inner).too_large
            return self.excess(inner, around) if large else statement.span
        return define.name.span

    def _size_of(self, statements: Row, depth: int) -> Size:
        total = Size()
        for statement in statements if depth <= DEEPEST else ():
            if isinstance(statement, syntax.BranchNode):
                total += self._size_of(statement.body, depth + 1)
                continue
            define, own = None, 0
            if isinstance(statement, syntax.LayerNode):
                define = self.called(statement.name.text, self._open)
                own = int(define is None)
                if own and not find_layer(statement.name.text):
                    continue
            if define is not None:
                inner = self.size(define)
            else:
                inner = self._size_of(statement.body or (), depth + 1)
            repeat = statement.repeat  # at least once; only plain numbers are counted
            times = repeat.value if isinstance(repeat, syntax.LiteralValue) else 1
            times = max(1, times) if isinstance(times, int) else 1
            total += Size(times * (own + inner.layers), 1 + inner.steps)
        return total


def _check_parameters(define: syntax.Define, findings: Findings) -> None:
    seen: dict[str, Span] = {}
    name, used = define.name.text, set(_used(define.body) if define.parameters else ())
    for parameter in define.parameters:
        text, span = parameter.text, parameter.span
        if text in seen:
            message = f"the parameter `{text}` stands twice in `{name}`"
            findings.again("NE053", message, span, seen[text])
        seen[text] = span
        if text not in used:
            message = f"the macro `{name}` does not use its parameter `{text}`"
            label = "what calls give for it has no effect"
            help = f"write `${text}` where it belongs, or remove it"
            findings.warning("NW024", message, span, label, help)


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


def call_scope(define: syntax.Define, call: syntax.LayerNode, at: At) -> Scope | None:
    """The scope of the body for one call; None after reporting wrong arguments."""
    names = [parameter.text for parameter in define.parameters]
    arguments, findings, name = call.arguments or (), at.findings, define.name.text
    related = (Related(define.name.span, "defined here"),)

    def named(given: syntax.Name) -> str:
        if given.text in names:
            return given.text
        message = f"the macro `{name}` has no parameter `{given.text}`"
        label, help = "unknown parameter", did_you_mean(given.text, names)
        findings.error("NE044", message, given.span, label, help, related)
        return ""

    given, ok, extra = matched(arguments, names, named, findings)
    if extra is not None or (ok and len(given) < len(names)):
        ok, count, takes, label = False, len(arguments), "no arguments", "takes none"
        if names:
            takes = f"{len(names)} argument{'s' * (len(names) != 1)}"
            label = "needs " + ", ".join(f"`{each}`" for each in names)
        there = f"{count} {'is' if count == 1 else 'are'} given"
        message = f"the macro `{name}` takes {takes}, but {there}"
        findings.error("NE044", message, call.name.span, label, "", related)
    if not ok:
        return None
    values: dict[str, Any] = {}
    for key, argument in given.items():
        values[key] = Invalid
        with suppress(Invalid):
            values[key] = evaluate(argument.value, at.below(name).below(key))
    return Scope(name, values, passed(given))
