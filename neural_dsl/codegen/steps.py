"""A network laid out as code, as `plan` makes it: the steps of each scope, its classes,
and what those who write them ask.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
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
from neural_dsl.graph.walk import Walk, layers, reads_memory

SIZES = frozenset({"count", "int", "float", "positive", "rate"})
"""The kinds of parameter in which two uses of one class may differ."""


@dataclass(frozen=True)
class LayerStep:
    """One layer, or a loop over identical ones. `attr` names it in its scope."""

    layers: tuple[Layer, ...]
    attr: str


@dataclass(frozen=True)
class BlockStep:
    """One use of a block class, or a loop over identical ones."""

    uses: tuple[BlockUse, ...]
    attr: str


@dataclass(frozen=True)
class ResidualStep:
    """`x + body(x)`."""

    node: Residual
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class BranchesStep:
    """Parallel paths, each a variable of its own."""

    paths: tuple[tuple[str, str | None, tuple[Step, ...]], ...]
    """(branch name, network input or None, steps)."""


Step: TypeAlias = LayerStep | BlockStep | ResidualStep | BranchesStep


def inner(step: Step) -> tuple[Step, ...]:
    """The steps inside a step that belong to the same scope."""
    if isinstance(step, BranchesStep):
        return tuple(each for _, _, steps in step.paths for each in steps)
    return step.steps if isinstance(step, ResidualStep) else ()


@dataclass(eq=False)
class BlockUse:
    """One expansion of a block: its steps, its class and the constructor's values."""

    node: MacroUse
    """Without parameters for a repeated group, which reads those of the macro around it."""
    steps: tuple[Step, ...]
    block: BlockClass
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class BlockClass:
    """A class of the emitted file, made from a macro or a repeated group."""

    name: str
    uses: list[BlockUse] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    of_macro: set[str] = field(default_factory=set)
    """Those of its parameters that are parameters of a macro."""
    varies: bool = False
    """Whether some size inside differs between the uses."""

    @property
    def shape_is_fixed(self) -> bool:
        """Whether every use has the same output shape."""
        return len({use.node.output for use in self.uses}) == 1


def structure(steps: tuple[Step, ...]) -> Hashable:
    """Everything about a body but the sizes: equal bodies can share one class."""
    masks: dict[Mask, int] = {}

    def of(step: Step) -> Hashable:
        match step:
            case LayerStep(layers=layers):
                layer = layers[0]
                fixed = {
                    p.name: layer.params.get(p.name)
                    for p in layer.spec.parameters
                    if not is_size(p.kind, layer.params.get(p.name))
                }
                read = tuple(
                    masks.setdefault(t.mask, len(masks)) if t.mask else None
                    for t in (layer.inputs if layer.spec.reads_mask else ())
                )
                ranks = tuple((len(t.shape), t.dtype) for t in layer.inputs)
                return (layer.type, len(layers), repr(fixed), read, ranks)
            case BlockStep(uses=uses):
                used = masks_read(uses[0].node.body)
                read = tuple(masks.setdefault(mask, len(masks)) for mask in used)
                return ("block", len(uses), uses[0].block, read)
            case ResidualStep(steps=inner):
                return ("residual", *map(of, inner))
            case BranchesStep(paths=paths):
                return (
                    "branches",
                    *((n, source, tuple(map(of, inner))) for n, source, inner in paths),
                )

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
    if layer.type == "MultiHeadAttention" and len(layer.inputs) == 2:
        return layer.inputs[1:]
    return layer.inputs


def inputs_read(nodes: Iterable[Node]) -> Iterator[str]:
    """The network inputs at which branches below these nodes start, one a branch."""
    for node in everything(nodes):
        if isinstance(node, Branches):
            yield from (b.input for b in node.branches if b.input is not None)


def streams_of(use: BlockUse | ResidualStep) -> int:
    """How many streams a block's first layer merges (0: it takes one tensor)."""
    first = use.steps[0] if use.steps else None
    if isinstance(first, ResidualStep):
        return streams_of(first)
    if isinstance(first, LayerStep) and first.layers[0].spec.arity == "many":
        return len(first.layers[0].inputs)
    return streams_of(first.uses[0]) if isinstance(first, BlockStep) else 0


def needs_memory(nodes: Iterable[Node]) -> bool:
    """Whether some layer below these nodes attends to a memory from before them."""
    search = _MemorySearch()
    search.nodes(tuple(nodes), ("value",))
    return search.found


class _MemorySearch(Walk[str]):
    """Follows the memory from outside to the layers that read it."""

    def __init__(self) -> None:
        self.memory = "memory"
        self.found = False

    def layer(self, layer: Layer, read: tuple[str, ...]) -> str:
        self.found |= reads_memory(layer) and read[1] == "memory"
        return "value"

    def residual(self, node: Residual, body: str, skip: str) -> str:
        return "value"

    def start(self, branch: Branch, flow: tuple[str, ...]) -> tuple[str, ...]:
        return ("value",)
