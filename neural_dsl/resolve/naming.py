"""Canonical names, handed out over the whole expanded network."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from keyword import iskeyword
from typing import Any, TypeAlias

from neural_dsl.catalogue.merging import RESIDUAL_CONNECTION
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Layer, Node, Residual
from neural_dsl.graph.walk import Folded, fold, rebuild
from neural_dsl.source import Span

LONGEST_NAME = 64


def check_name(value: Any, span: Span, findings: Findings) -> str:
    """A name that the file gives to a layer or an input; "" after reporting NE039.

    Names end up in weights files, file names and emitted code: ASCII letters, digits
    and `_`, and no Python keyword. The help has the nearest name that works.
    """
    message = "a name has letters (a to z, A to Z), digits and `_`, and no digit first"
    label = "not such a name"
    if isinstance(value, str):
        if iskeyword(value):
            message, label = f"no name may be `{value}`", "a word of Python's own"
        elif len(value) > LONGEST_NAME:
            message = f"a name has at most {LONGEST_NAME} characters"
            label = f"{len(value):,} characters"
        elif value.isascii() and value.isidentifier():
            return value
    help = "the name stands in weights files and in the emitted code"
    letters = unicodedata.normalize("NFKD", str(value).replace("ß", "ss"))
    bare = "".join(c for c in letters if not unicodedata.combining(c))
    plain = re.sub(r"[^0-9A-Za-z_]+", "_", bare).strip("_")[:LONGEST_NAME]
    if plain.isidentifier() and not iskeyword(plain):
        help = f"write for instance `{plain}`: {help}"
    findings.error("NE039", message, span, label, help)
    return ""


Counts: TypeAlias = Counter[tuple[str, Span | None]]
"""How many layers there are of each kind, and of each given name at a place."""


class Namer:
    """Names the layers of a tree; `names` lists them in order."""

    def __init__(self, nodes: Sequence[Node], findings: Findings):
        """Count the layers that get names. Reports NE040 for a name given twice."""
        self.nodes = nodes
        self.findings = findings
        self.names: list[str] = []
        self._next = Counter[str]()
        self._totals = Counter[str]()
        places: dict[str, Span] = {}
        for (kind, span), count in _sum(fold(nodes, _count)).items():
            self._totals[kind] += count
            if span and places.setdefault(kind[1:], span) != span:
                self._twice(kind[1:], places[kind[1:]], span)
        self._taken = set(places)
        for name in places:
            copies = self._totals[f"={name}"]
            numbered = {f"{name}_{n}" for n in range(copies) if copies > 1}
            for clash in numbered & places.keys():
                self._twice(clash, places[name], places[clash])
            self._taken |= numbered

    def named(self) -> tuple[Node, ...]:
        """The same nodes with names; every copy becomes nodes of its own."""
        return rebuild(self.nodes, self._named)

    def _twice(self, name: str, first: Span, second: Span) -> None:
        first, second = sorted((first, second), key=lambda span: span.start)
        message = f"two layers are named `{name}`"
        help = "give each layer a name of its own, or leave `name` out"
        self.findings.again("NE040", message, second, first, help)

    def _named(self, node: Node) -> Node:
        """The node under the next name of its kind, or for the copies of a named one."""
        if not isinstance(node, Layer | Residual):
            return node
        kind, name = _kind(node), node.name
        several = self._totals[kind] > 1
        if name and several:
            name = self._numbered(name, kind)
        elif not name and (several or kind in self._taken):
            while not name or name in self._taken:
                name = self._numbered(kind, kind)
        name = name or kind
        self.names.append(name)
        return replace(node, name=name)

    def _numbered(self, stem: str, kind: str) -> str:
        self._next[kind] += 1
        return f"{stem}_{self._next[kind] - 1}"


def _kind(node: Layer | Residual) -> str:
    """What layers of this kind are called where the file gives no name; "=name" of those
    that it names."""
    spec = node.spec if isinstance(node, Layer) else RESIDUAL_CONNECTION
    return f"={node.name}" if node.name else spec.snake_name


def _count(node: Node, inside: Folded[Counts]) -> Counts:
    counts = _sum(each for row in inside for each in row)
    if isinstance(node, Layer | Residual):
        counts[_kind(node), node.span if node.name else None] += 1
    return counts


def _sum(counts: Iterable[Counts]) -> Counts:
    total = Counts()
    for each in counts:
        total.update(each)
    return total
