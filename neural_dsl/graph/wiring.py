"""Which of the current tensors a layer reads: one rule for all that walk the graph.

The code generator, the runs at other lengths and the labels of pictures ask here, each
with its own idea of a tensor (a variable, a shape, the tokens behind it).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from neural_dsl.graph.nodes import (
    Branch,
    Branches,
    Layer,
    MacroUse,
    Node,
    Repeat,
    Residual,
)

T = TypeVar("T")


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
    """Walks the graph once with values of any kind in place of tensors."""

    memory: T | None = None

    @abstractmethod
    def layer(self, layer: Layer, read: tuple[T, ...]) -> T:
        """What leaves a layer that reads this."""

    @abstractmethod
    def residual(self, node: Residual, body: T, skip: T) -> T:
        """What leaves a residual block: the sum of these."""

    @abstractmethod
    def start(self, branch: Branch, flow: tuple[T, ...]) -> tuple[T, ...]:
        """What a branch reads."""

    def passed(self, node: Node, read: tuple[T, ...], after: tuple[T, ...]) -> None:
        """Told of every node but layers: what came to it, and what left it."""

    def nodes(self, nodes: tuple[Node, ...], flow: tuple[T, ...]) -> tuple[T, ...]:
        """What leaves the last of these nodes."""
        for node in nodes:
            flow = self.node(node, flow)
        return flow

    def node(self, node: Node, flow: tuple[T, ...]) -> tuple[T, ...]:
        """What leaves one node."""
        if isinstance(node, Layer):
            read, self.memory = wired(node, flow, self.memory)
            return (self.layer(node, read),)
        after = flow
        match node:
            case Repeat() | MacroUse():
                for row in node.rows:
                    after = self.enclosed(row, after)
            case Residual(body=body):
                after = (self.residual(node, self.nodes(body, flow)[-1], flow[-1]),)
            case Branches(branches=branches):
                after = tuple(self.branch(branch, flow) for branch in branches)
        self.passed(node, flow, after)
        return after

    def branch(self, branch: Branch, flow: tuple[T, ...]) -> T:
        """What leaves one path; the memory that it reads is its own."""
        outside = self.memory
        after = self.nodes(branch.body, self.start(branch, flow))
        self.memory = outside
        return after[-1]

    def enclosed(self, nodes: tuple[Node, ...], flow: tuple[T, ...]) -> tuple[T, ...]:
        """The nodes of a macro or of one copy."""
        outside = self.memory
        after = self.nodes(nodes, flow)
        self.memory = outlasting(nodes, flow, outside)
        return after
