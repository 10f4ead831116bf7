"""Walks over the model graph. What stands inside which node, each node says itself
(`rows` and `around` in `graph.nodes`); nothing else takes nodes apart to go deeper.

Values that flow from layer to layer are followed by `graph.wiring.Walk`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

from neural_dsl.graph.nodes import Layer, Node, everything

T = TypeVar("T")
Folded: TypeAlias = tuple[tuple[T, ...], ...]


def children(node: Node) -> Iterator[Node]:
    """The nodes right inside a node, in order: of all copies, of all branches."""
    for row in node.rows:
        yield from row


def layers(nodes: Iterable[Node]) -> Iterator[Layer]:
    """Every layer at or below these, in the order of the expanded network."""
    return (node for node in everything(nodes) if isinstance(node, Layer))


def rebuild(nodes: Iterable[Node], change: Callable[[Node], Node]) -> tuple[Node, ...]:
    """The same nodes after `change`, which is given each node before what is inside it:
    it may replace the node, and keeps or replaces its rows."""

    def rebuilt(node: Node) -> Node:
        rows = tuple(rebuild(row, change) for row in node.rows)
        return node.around(rows) if rows else node

    return tuple(rebuilt(change(node)) for node in nodes)


def fold(
    nodes: Iterable[Node],
    rule: Callable[[Node, Folded[T]], T],
    known: dict[int, tuple[Node, T]] | None = None,
) -> tuple[T, ...]:
    """A value for each of these nodes, worked out from the inside: `rule` gets a node and
    the values of what is inside it, row by row.

    A node that stands in several places (equal copies of a `*`) is worked out once.
    `known` keeps the values from call to call, by the identity of the nodes.
    """
    found = {} if known is None else known

    def value(node: Node) -> T:
        if id(node) not in found:
            inside = tuple(tuple(map(value, row)) for row in node.rows)
            found[id(node)] = (node, rule(node, inside))  # keeps the node, and its id
        return found[id(node)][1]

    return tuple(map(value, nodes))
