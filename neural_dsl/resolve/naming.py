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
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Layer, Node, Residual
from neural_dsl.graph.walk import Folded, fold, rebuild
from neural_dsl.source import Span

LONGEST_NAME = 64
RESIDUAL = RESIDUAL_CONNECTION.snake_name
_LETTERS = "a name has letters (a to z, A to Z), digits and `_`, and no digit first"


def check_name(value: Any, span: Span, findings: Findings) -> str:
    """A name that the file gives to a layer or an input; "" after reporting NE039.

    Names end up in weights files, file names and emitted code: ASCII letters, digits
    and `_`, and no Python keyword.
    """
    if not isinstance(value, str):
        message, label = _LETTERS, "not such a name"
    elif iskeyword(value):
        message, label = f"no name may be `{value}`", "a word of Python's own"
    elif len(value) > LONGEST_NAME:
        message = f"a name has at most {LONGEST_NAME} characters"
        label = f"{len(value):,} characters"
    elif value.isascii() and value.isidentifier():
        return value
    else:
        message, label = _LETTERS, "not such a name"
    findings.error("NE039", message, span, label, _name_help(value))
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
    """Names the layers of a tree; `names` lists them in order."""

    findings: Findings
    names: list[str] = field(default_factory=list)
    _totals: Counter[str] = field(default_factory=Counter)
    _given: Counter[str] = field(default_factory=Counter)
    _places: dict[str, Span] = field(default_factory=dict)
    _next: Counter[str] = field(default_factory=Counter)
    _taken: set[str] = field(default_factory=set)

    def count(self, nodes: Sequence[Node]) -> None:
        """Count the layers that get names. Reports NE040 for a name given twice."""
        for counts in fold(nodes, self._count):
            self._totals += counts
        self._given = Counter(
            {n[1:]: c for n, c in self._totals.items() if n[0] == "="}
        )
        self._taken = set(self._given)
        for given, copies in self._given.items():
            if copies > 1:
                numbered = {f"{given}_{number}" for number in range(copies)}
                for clash in numbered & self._given.keys():
                    self._twice(clash, self._places[given], self._places[clash])
                self._taken |= numbered

    def name(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        """The same nodes, which have been counted, with names; every copy becomes nodes
        of its own."""
        return rebuild(nodes, self._named)

    def _count(self, node: Node, inside: Folded[Counter[str]]) -> Counter[str]:
        """How many layers of each kind there are, and of each given name ("=name")."""
        counts = Counter[str]()
        for row in inside:
            for each in row:
                counts.update(each)
        if isinstance(node, Layer | Residual):
            counts["=" + node.name if node.name else _kind(node)] += 1
            if node.name:
                first = self._places.setdefault(node.name, node.span)
                if first != node.span:
                    self._twice(node.name, first, node.span)
        return counts

    def _twice(self, name: str, first: Span, second: Span) -> None:
        first, second = sorted((first, second), key=lambda span: span.start)
        message = f"two layers are named `{name}`"
        help = "give each layer a name of its own, or leave `name` out"
        self.findings.again("NE040", message, second, first, help)

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
            name = ""
            while not name or name in self._taken:
                name = f"{kind}_{self._next[kind]}"
                self._next[kind] += 1
        self.names.append(name)
        return name

    def _named(self, node: Node) -> Node:
        if isinstance(node, Layer):
            return Layer(
                node.spec,
                self._take(node.name, _kind(node)),
                node.given_name,
                node.params,
                node.inputs,
                node.output,
                node.weights,
                node.attentions,
                node.span,
                node.passed,
            )
        if isinstance(node, Residual):
            return replace(node, name=self._take(node.name, RESIDUAL))
        return node


def _kind(node: Layer | Residual) -> str:
    """What layers of this kind are called where the file gives no name."""
    return node.spec.snake_name if isinstance(node, Layer) else RESIDUAL
