"""How large a macro is at least once it is expanded, told without expanding it.

Forty macros, each calling the one before it twice, stand for a million million layers:
counting takes forty steps.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from neural_dsl.catalogue import find_layer
from neural_dsl.resolve.macros import Macros
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

DEEPEST = 100
"""Blocks and calls inside one another beyond this are not counted."""


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
    def most(self) -> int:
        """What the limit on a network is compared with."""
        return max(self.layers, self.steps)


@dataclass
class Sizes:
    """The sizes of the macros of a file, each worked out once."""

    macros: Macros
    _known: dict[str, Size] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    @property
    def counted(self) -> Collection[str]:
        """The names of the macros looked into so far."""
        return {*self._known, *self._open}

    def of(self, define: syntax.Define) -> Size:
        """The least size of what a call of this macro stands for."""
        name = define.name.text
        if name in self._known:
            return self._known[name]
        if name in self._open or len(self._open) > DEEPEST:
            return Size()  # it contains itself, or nests too deep: reported elsewhere
        self._open.append(name)
        found = self._known[name] = self._body(define.body, 0)
        self._open.pop()
        return found

    def excess(
        self, define: syntax.Define, limit: int, around: tuple[str, ...] = ()
    ) -> Span:
        """Where a macro of more than `limit` gets too large, in the innermost macro;
        `around` are the macros that it was reached through."""
        total, around = Size(), (*around, define.name.text)
        for statement in define.body:
            total += self._statement(statement, 0)
            if total.most <= limit:
                continue
            if isinstance(statement, syntax.LayerNode):
                inner = self.macros.find(statement.name.text)
                if inner is None or inner.name.text in around:
                    return statement.span  # the layer that the macro is named after
                if self.of(inner).most > limit:
                    return self.excess(inner, limit, around)
            return statement.span
        return define.name.span

    def _body(self, statements: Sequence[syntax.Statement], depth: int) -> Size:
        return sum((self._statement(each, depth) for each in statements), Size())

    def _statement(self, statement: syntax.Statement, depth: int) -> Size:
        if depth > DEEPEST:
            return Size()
        if isinstance(statement, syntax.BranchNode):
            return self._body(statement.body, depth + 1)
        times = _times(statement.repeat)
        if isinstance(statement, syntax.GroupNode):
            inner = self._body(statement.body, depth + 1)
            return Size(times * inner.layers, 1 + inner.steps)
        name = statement.name.text
        define, spec = self.macros.called(name, self._open), find_layer(name)
        if define is not None:
            inner = self.of(define)
            return Size(times * inner.layers, 1 + inner.steps)
        if spec is None:
            return Size()
        inner = self._body(statement.body or (), depth + 1)
        return Size(times * (1 + inner.layers), 1 + inner.steps)


def _times(repeat: syntax.Value | None) -> int:
    """The copies that a repeat makes at least: those of a plain number."""
    value = repeat.value if isinstance(repeat, syntax.LiteralValue) else 1
    return max(1, value) if isinstance(value, int) else 1
