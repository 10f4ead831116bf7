"""Walks over the model graph. What stands inside which node, each node says itself
(`rows` and `around` in `graph.nodes`); nothing else takes nodes apart to go deeper.

`Walk` follows values from layer to layer, by the one rule for what a layer reads
(`wired`): the code generator, runs at other lengths and the labels of pictures ask here,
each with its own idea of a tensor (a variable, a shape, the tokens behind it).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

from neural_dsl.graph.nodes import Branch, Branches, Layer, Node, Residual, everything

T = TypeVar("T")
Folded: TypeAlias = tuple[tuple[T, ...], ...]


def layers(nodes: Iterable[Node]) -> Iterator[Layer]:
    """Every layer at or below these, in the order of the expanded network."""
    return (node for node in everything(nodes) if isinstance(node, Layer))


def rebuild(nodes: Iterable[Node], change: Callable[[Node], Node]) -> tuple[Node, ...]:
    """The same nodes after `change`, which is given each node before what is inside it:
    it may replace the node, and keeps or replaces its rows."""
    made: list[Node] = []
    for node in map(change, nodes):
        if not isinstance(node, Layer):
            node = node.around(tuple(rebuild(row, change) for row in node.rows))
        made.append(node)
    return tuple(made)


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


# --- what a layer reads ---------------------------------------------------------------


def reads_memory(layer: Layer) -> bool:
    """Whether the layer attends to a second sequence."""
    return layer.spec.arity == "target" and len(layer.inputs) > 1


def wired(
    layer: Layer, current: Sequence[T], memory: T | None
) -> tuple[tuple[T, ...], T | None]:
    """What a layer reads, in the order of `layer.inputs`, and the memory behind it.

    `current` is one tensor, or what parallel branches left. Only a layer that reads the
    branches as (memory, target) makes their first the memory of those that follow:
    branches that are merged leave the memory as it was.
    """
    if layer.spec.arity == "many":
        return tuple(current), memory
    if not reads_memory(layer):
        return (current[-1],), memory
    if len(current) > 1:
        memory = current[0]
    assert memory is not None, "a layer with a memory follows branches"
    return (current[-1], memory), memory


def outlasting(
    nodes: Sequence[Node], current: Sequence[T], outside: T | None
) -> T | None:
    """The memory behind a macro or a repeated group, which become classes in the code:
    branches inside are a memory inside alone, branches before it (`current`) go on."""
    first = first_layer(nodes)
    if len(current) > 1 and first is not None and reads_memory(first):
        return current[0]
    return outside


def first_layer(nodes: Sequence[Node]) -> Layer | None:
    """The layer that takes what enters these nodes; None in front of branches."""
    first = nodes[0] if nodes else None
    if first is None or isinstance(first, Branches):
        return None
    return first if isinstance(first, Layer) else first_layer(first.rows[0])


class Walk(ABC, Generic[T]):
    """Walks the graph once with values of any kind in place of tensors; `inputs` has
    those of the network's inputs by name."""

    inputs: Mapping[str, T]
    memory: T | None = None

    @abstractmethod
    def layer(self, layer: Layer, read: tuple[T, ...]) -> T:
        """What leaves a layer that reads this."""

    @abstractmethod
    def residual(self, node: Residual, body: T, skip: T) -> T:
        """What leaves a residual block: the sum of these."""

    def start(self, branch: Branch, flow: tuple[T, ...]) -> tuple[T, ...]:
        """What a branch reads: the input of its name, or what came before the branches."""
        return flow if branch.input is None else (self.inputs[branch.input],)

    def passed(self, node: Node, read: tuple[T, ...], after: tuple[T, ...]) -> None:
        """Told of every node but layers: what came to it, and what left it."""

    def nodes(self, nodes: tuple[Node, ...], flow: tuple[T, ...]) -> tuple[T, ...]:
        """What leaves the last of these nodes."""
        for node in nodes:
            if isinstance(node, Layer):
                read, self.memory = wired(node, flow, self.memory)
                flow = (self.layer(node, read),)
                continue
            after = flow
            match node:
                case Residual(body=body):
                    after = (self.residual(node, self.nodes(body, flow)[-1], flow[-1]),)
                case Branches(branches=branches):
                    after, outside = (), self.memory
                    for branch in branches:  # the memory that one reads is its own
                        after += self.nodes(branch.body, self.start(branch, flow))[-1:]
                        self.memory = outside
                case _:  # the copies of a repeat, or the body of a macro
                    for row in node.rows:
                        outside, before = self.memory, after
                        after = self.nodes(row, before)
                        self.memory = outlasting(row, before, outside)
            self.passed(node, flow, after)
            flow = after
        return flow
