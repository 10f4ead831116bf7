"""A network laid out as code, as `plan` makes it: the steps of each scope, its classes,
and what those who write them ask.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from neural_dsl.catalogue.tensors import Mask, Tensor
from neural_dsl.graph.nodes import (
    Branch,
    Branches,
    Layer,
    MacroUse,
    Node,
    Residual,
    everything,
)
from neural_dsl.graph.walk import Walk, first_layer, layers, reads_memory

SIZES = frozenset({"count", "int", "float", "positive", "rate"})
"""The kinds of parameter in which two uses of one class may differ."""


@dataclass(frozen=True)
class CallStep:
    """What is made and called: a layer, a use of a block class, or a loop over identical
    ones. `attr` names it in its scope."""

    copies: tuple[Layer | BlockUse, ...]
    attr: str


@dataclass(frozen=True)
class ResidualStep:
    """`x + body(x)`."""

    node: Residual
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class BranchesStep:
    """Parallel paths, each a variable of its own: name, network input or None, steps."""

    paths: tuple[tuple[str, str | None, tuple[Step, ...]], ...]


Step: TypeAlias = CallStep | ResidualStep | BranchesStep


def inner(step: Step) -> tuple[Step, ...]:
    """The steps inside a step that belong to the same scope."""
    if isinstance(step, BranchesStep):
        return tuple(each for _, _, steps in step.paths for each in steps)
    return step.steps if isinstance(step, ResidualStep) else ()


@dataclass(eq=False)
class BlockUse:
    """One expansion of a block: its steps, its class, the constructor's values, and what
    the call hands over. `node` has no parameters for a repeated group, which reads those
    of the macro around it."""

    node: MacroUse
    steps: tuple[Step, ...]
    block: BlockClass
    values: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def streams(self) -> int:
        """How many streams its first layer merges (0: it takes one tensor)."""
        return merged_streams(self.steps)

    @cached_property
    def takes_memory(self) -> bool:
        """Whether some layer inside attends to a memory from before the block."""
        search = _MemorySearch()
        search.nodes(self.node.body, ("value",))
        return search.found

    @cached_property
    def masks(self) -> list[Mask]:
        """The masks that layers inside read."""
        return masks_read(self.node.body)

    @cached_property
    def inputs(self) -> list[str]:
        """The network inputs that branches inside read, one a branch."""
        return inputs_read(self.node.body)

    @property
    def before(self) -> Tensor | None:
        """What its first layer reads."""
        first = first_layer(self.node.body)
        return first.inputs[0] if first else None


@dataclass(eq=False)
class BlockClass:
    """A class of the emitted file, made from a macro or a repeated group.

    `of_macro` are those of its constructor's `parameters` that are a macro's; `varies`:
    whether some size inside differs between the uses.
    """

    name: str
    uses: list[BlockUse] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    of_macro: set[str] = field(default_factory=set)
    varies: bool = False

    @cached_property
    def keeps_width(self) -> bool:
        """Whether every use gives as many features as it reads."""
        reads = (use.before for use in self.uses)
        gives = (use.node.output.features for use in self.uses)
        return all(t and t.features == n for t, n in zip(reads, gives, strict=True))


def structure(steps: tuple[Step, ...]) -> Hashable:
    """Everything about a body but the sizes: equal bodies can share one class."""
    masks: dict[Mask | None, int | None] = {None: None}

    def numbered(read: Iterable[Mask | None]) -> tuple[int | None, ...]:
        return tuple(masks.setdefault(mask, len(masks)) for mask in read)

    def of(step: Step) -> Hashable:
        match step:
            case ResidualStep(steps=body):
                return ("residual", *map(of, body))
            case BranchesStep(paths=paths):
                rows = ((n, source, tuple(map(of, body))) for n, source, body in paths)
                return ("branches", *rows)
        first, count = step.copies[0], len(step.copies)
        if isinstance(first, BlockUse):
            return ("block", count, first.block, numbered(first.masks))
        given = ((p, first.params.get(p.name)) for p in first.spec.parameters)
        fixed = {p.name: value for p, value in given if not is_size(p.kind, value)}
        read = numbered(t.mask for t in first.inputs if first.spec.reads_mask)
        ranks = tuple((len(t.shape), t.dtype) for t in first.inputs)
        return (first.type, count, repr(fixed), read, ranks)

    return tuple(map(of, steps))


def is_size(kind: str, value: object) -> bool:
    """Whether a parameter of this kind, with this value, may be a constructor argument."""
    return kind in SIZES and value is not None


def masks_read(nodes: Iterable[Node]) -> list[Mask]:
    """The masks that layers below these nodes read, in the order of first use."""
    readers = (layer for layer in layers(nodes) if layer.spec.reads_mask)
    read = (tensor.mask for layer in readers for tensor in mask_readers(layer))
    return list(dict.fromkeys(mask for mask in read if mask is not None))


def mask_readers(layer: Layer) -> tuple[Tensor, ...]:
    """The tensors whose masks the layer reads. Cross-attention alone needs no mask for
    its queries: masks hide keys only."""
    alone = layer.type == "MultiHeadAttention" and len(layer.inputs) == 2
    return layer.inputs[1:] if alone else layer.inputs


def inputs_read(nodes: Iterable[Node]) -> list[str]:
    """The network inputs at which branches below these nodes start, one a branch."""
    found = (node for node in everything(nodes) if isinstance(node, Branches))
    return [b.input for node in found for b in node.branches if b.input is not None]


def merged_streams(steps: tuple[Step, ...]) -> int:
    """How many streams the first layer of these steps merges, 0 for one tensor."""
    match steps[:1]:
        case (ResidualStep(steps=body),):
            return merged_streams(body)
        case (CallStep(copies=(BlockUse() as use, *_)),):
            return use.streams
        case (CallStep(copies=(Layer() as layer, *_)),) if layer.spec.arity == "many":
            return len(layer.inputs)
    return 0


class _MemorySearch(Walk[str]):
    """Follows the memory from outside to the layers that read it."""

    memory = "memory"
    found = False

    def layer(self, layer: Layer, read: tuple[str, ...]) -> str:
        self.found |= reads_memory(layer) and read[1] == "memory"
        return "value"

    def residual(self, node: Residual, body: str, skip: str) -> str:
        return "value"

    def start(self, branch: Branch, flow: tuple[str, ...]) -> tuple[str, ...]:
        return ("value",)
