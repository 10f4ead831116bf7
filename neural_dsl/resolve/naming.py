"""Canonical names (DESIGN.md, Names), handed out over the whole expanded network."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from keyword import iskeyword
from typing import Any

from neural_dsl.catalogue.merging import RESIDUAL_CONNECTION
from neural_dsl.diagnostics import Related
from neural_dsl.graph.nodes import (
    Branch,
    Branches,
    Layer,
    MacroUse,
    Node,
    Repeat,
    Residual,
)
from neural_dsl.resolve.findings import Findings
from neural_dsl.source import Span

LONGEST_NAME = 64
RESIDUAL = RESIDUAL_CONNECTION.snake_name


def check_name(value: Any, span: Span, findings: Findings) -> str:
    """A name that the file gives to a layer or an input; "" after reporting NE039.

    Names end up in weights files, file names and emitted code: ASCII letters, digits
    and `_`, and no Python keyword.
    """
    good = (
        isinstance(value, str)
        and value.isascii()
        and value.isidentifier()
        and len(value) <= LONGEST_NAME
        and not iskeyword(value)
    )
    if good:
        return str(value)
    if isinstance(value, str) and iskeyword(value):
        message, label = f"no name may be `{value}`", "a word of Python's own"
    elif isinstance(value, str) and len(value) > LONGEST_NAME:
        message = f"a name has at most {LONGEST_NAME} characters"
        label = f"{len(value):,} characters"
    else:
        message = (
            "a name has letters (a to z, A to Z), digits and `_`, and no digit first"
        )
        label = "not such a name"
    findings.error("NE039", message, span, label=label, help=_name_help(value))
    return ""


def _name_help(value: Any) -> str:
    """What to write instead: the nearest name that works, and why it must."""
    why = "the name stands in weights files and in the emitted code"
    letters = unicodedata.normalize("NFKD", str(value).replace("ß", "ss"))
    bare = "".join(c for c in letters if not unicodedata.combining(c))
    plain = re.sub(r"[^0-9A-Za-z_]+", "_", bare).strip("_")[:LONGEST_NAME]
    if plain.isidentifier() and not iskeyword(plain):
        return f"write for instance `{plain}`: {why}"
    return why


@dataclass
class Namer:
    """Rebuilds a tree with every layer named; `names` lists them in order."""

    findings: Findings
    names: list[str] = field(default_factory=list)
    _totals: Counter[str] = field(default_factory=Counter)
    _given: Counter[str] = field(default_factory=Counter)
    _places: dict[str, Span] = field(default_factory=dict)
    _next: Counter[str] = field(default_factory=Counter)
    _taken: set[str] = field(default_factory=set)

    def name(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        """The same nodes with names. Reports NE040 for a name given twice."""
        self._count(nodes, 1)
        self._taken = set(self._given)
        for given, copies in self._given.items():
            if copies > 1:
                numbered = {f"{given}_{number}" for number in range(copies)}
                for clash in numbered & self._given.keys():
                    self._twice(clash, self._places[given], self._places[clash])
                self._taken |= numbered
        return self._nodes(nodes)

    def _count(self, nodes: Sequence[Node], times: int) -> None:
        """Count kinds and given names; equal copies are counted without a walk."""
        for node in nodes:
            match node:
                case Layer(spec=spec, name=name, span=span):
                    self._add(name, spec.snake_name, span, times)
                case Repeat(copies=copies):
                    for copy, equal in _runs(copies):
                        self._count(copy, times * equal)
                case MacroUse(body=body):
                    self._count(body, times)
                case Residual(name=name, body=body, span=span):
                    self._add(name, RESIDUAL, span, times)
                    self._count(body, times)
                case Branches(branches=branches):
                    for branch in branches:
                        self._count(branch.body, times)

    def _add(self, given: str, kind: str, span: Span, times: int) -> None:
        if not given:
            self._totals[kind] += times
            return
        first = self._places.setdefault(given, span)
        if first != span:
            self._twice(given, first, span)
        self._given[given] += times

    def _twice(self, name: str, first: Span, second: Span) -> None:
        self.findings.error(
            "NE040",
            f"two layers are named `{name}`",
            max(first, second, key=lambda span: span.start),
            label="the same name again",
            help="give each layer a name of its own, or leave `name` out",
            related=(
                Related(min(first, second, key=lambda span: span.start), "first here"),
            ),
        )

    def _take(self, given: str, kind: str) -> str:
        """The next name for a layer of this kind, or for the copies of a named one."""
        if given:
            several = self._given[given] > 1
            number = self._next["=" + given]
            self._next["=" + given] += 1
            name = f"{given}_{number}" if several else given
        elif self._totals[kind] == 1 and kind not in self._taken:
            name = kind
        else:
            name = f"{kind}_{self._next[kind]}"
            self._next[kind] += 1
            while name in self._taken:
                name = f"{kind}_{self._next[kind]}"
                self._next[kind] += 1
        self.names.append(name)
        return name

    def _nodes(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        return tuple(self._node(node) for node in nodes)

    def _node(self, node: Node) -> Node:
        match node:
            case Layer():
                return Layer(
                    node.spec,
                    self._take(node.name, node.spec.snake_name),
                    node.given_name,
                    node.params,
                    node.inputs,
                    node.output,
                    node.weights,
                    node.attentions,
                    node.span,
                )
            case Repeat(copies=copies, span=span):
                return Repeat(tuple(self._nodes(copy) for copy in copies), span)
            case MacroUse():
                return replace(node, body=self._nodes(node.body))
            case Residual():
                name = self._take(node.name, RESIDUAL)
                return replace(node, name=name, body=self._nodes(node.body))
            case Branches(branches=branches, span=span):
                return Branches(tuple(self._branch(each) for each in branches), span)

    def _branch(self, branch: Branch) -> Branch:
        return replace(branch, body=self._nodes(branch.body))


def _runs(
    copies: Sequence[tuple[Node, ...]],
) -> list[tuple[tuple[Node, ...], int]]:
    """Runs of the very same copy with their lengths."""
    runs: list[tuple[tuple[Node, ...], int]] = []
    for copy in copies:
        if runs and runs[-1][0] is copy:
            runs[-1] = (copy, runs[-1][1] + 1)
        else:
            runs.append((copy, 1))
    return runs
