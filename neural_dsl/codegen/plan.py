"""How a network is laid out as code: what becomes a class, what becomes a loop.

A plan is the model graph seen as a programmer would write it. Runs of identical
neighbours become one step with several copies (a `ModuleList` in a loop). Every macro
that is used, and every repeated group, becomes a class; uses that differ only in sizes
share one class and pass the sizes to its constructor.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeAlias

from neural_dsl.catalogue.tensors import Mask, Tensor
from neural_dsl.codegen.names import Names, pascal_case, plural, snake_case
from neural_dsl.graph.nodes import (
    Branch,
    Branches,
    Layer,
    MacroUse,
    Node,
    Repeat,
    Residual,
    everything,
)
from neural_dsl.graph.walk import Folded, fold, layers
from neural_dsl.graph.wiring import Walk, reads_memory

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


@dataclass(eq=False)
class BlockUse:
    """One expansion of a block: its steps, and later its class and constructor values."""

    macro: str
    steps: tuple[Step, ...]
    nodes: tuple[Node, ...]
    output: Tensor | None
    key: Hashable
    parameters: tuple[str, ...] = ()
    """The macro's; none for a repeated group, which reads those of the macro around it."""
    passed: Mapping[str, str] = field(default_factory=dict)
    block: BlockClass | None = None
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
        return len({use.output for use in self.uses}) == 1


class Planner:
    """Plans one network; collects its block classes, inner ones first."""

    def __init__(
        self,
        reserved: Iterable[str],
        class_names: Names,
    ):
        self.reserved = frozenset(reserved)
        self.class_names = class_names
        self.classes: dict[Hashable, BlockClass] = {}
        self._keys: dict[int, tuple[Node, Hashable]] = {}
        self._numbers: dict[Hashable, int] = {}

    def plan(self, nodes: Iterable[Node], *, top: bool) -> tuple[Step, ...]:
        """The steps of one scope. At the top, layers keep their canonical names."""
        if not top:
            return self._steps(nodes, Names(self.reserved), top)
        nodes = tuple(nodes)
        canonical = {layer.name for layer in layers(nodes)}
        return self._steps(nodes, Names(self.reserved, canonical), top)

    def _steps(
        self, nodes: Iterable[Node], names: Names, top: bool
    ) -> tuple[Step, ...]:
        runs = [list(run) for _, run in groupby(_units(nodes), _RunKey(self))]
        kinds: dict[str, int] = {}
        for run in runs:
            if isinstance(run[0], Layer):
                kinds[run[0].spec.snake_name] = kinds.get(run[0].spec.snake_name, 0) + 1
        numbers: dict[str, int] = {}
        steps: list[Step] = []
        for run in runs:
            steps.extend(self._step(run, names, top, kinds, numbers))
        return tuple(steps)

    def _step(
        self,
        run: list[Layer | MacroUse | Residual | Branches],
        names: Names,
        top: bool,
        kinds: dict[str, int],
        numbers: dict[str, int],
    ) -> Iterator[Step]:
        first = run[0]
        if isinstance(first, Layer):
            layers = tuple(node for node in run if isinstance(node, Layer))
            wanted = self._layer_name(layers, top, kinds, numbers)
            owner = top and len(layers) == 1
            yield LayerStep(layers, names.unique(wanted, owner=owner))
        elif isinstance(first, MacroUse):
            uses = tuple(self._use(node) for node in run if isinstance(node, MacroUse))
            wanted = snake_case(first.macro)
            wanted = plural(wanted) if len(run) > 1 else wanted
            yield BlockStep(uses, names.unique(wanted))
        elif isinstance(first, Residual):
            yield ResidualStep(first, self._steps(first.body, names, top))
        else:
            yield BranchesStep(
                tuple(
                    (branch.name, branch.input, self._steps(branch.body, names, top))
                    for branch in first.branches
                )
            )

    def _layer_name(
        self,
        layers: tuple[Layer, ...],
        top: bool,
        kinds: dict[str, int],
        numbers: dict[str, int],
    ) -> str:
        """The canonical name at the top; inside a class, a name counted in the class."""
        base = layers[0].spec.snake_name
        if len(layers) > 1:
            given = re.sub(r"_\d+$", "", layers[0].name)
            return plural(given if layers[0].given_name and top else base)
        if top:
            return layers[0].name
        if kinds.get(base, 0) < 2:
            return base
        numbers[base] = numbers.get(base, -1) + 1
        return f"{base}_{numbers[base]}"

    def _use(self, node: MacroUse) -> BlockUse:
        steps = self.plan(node.body, top=False)
        use = BlockUse(
            node.macro,
            steps,
            node.body,
            node.output,
            (node.macro, structure(steps)),
            node.parameters,
            node.passed,
        )
        block = self.classes.get(use.key)
        if block is None:
            name = self.class_names.unique(pascal_case(node.macro), separator="")
            block = self.classes[use.key] = BlockClass(name)
        block.uses.append(use)
        use.block = block
        return use

    def key(self, node: Node) -> Hashable:
        """Equal for nodes that the same code builds with the same numbers: a number, so
        that keys of keys stay short."""
        return fold((node,), self._key, self._keys)[0]

    def _key(self, node: Node, inside: Folded[Hashable]) -> Hashable:
        said: tuple[Hashable, ...]
        match node:
            case Layer():
                said = (node.type, repr(node.params), node.inputs)
            case MacroUse():
                said = (node.macro,)
            case Branches():
                said = tuple((branch.name, branch.input) for branch in node.branches)
            case _:
                said = ()
        whole = (type(node), said, inside)
        return self._numbers.setdefault(whole, len(self._numbers))


class _RunKey:
    """A key for groupby: equal for neighbours that one loop can build."""

    def __init__(self, planner: Planner):
        self.planner = planner
        self.previous: tuple[str, int] = ("", 0)
        self.run = 0

    def __call__(self, node: Layer | MacroUse | Residual | Branches) -> Hashable:
        if isinstance(node, Layer):
            match = re.fullmatch(r"(.*)_(\d+)", node.name)
            base, number = (match[1], int(match[2])) if match else (node.name, -1)
            if (base, number - 1) != self.previous:
                self.run += 1
            self.previous = (base, number)
            return (self.run, self.planner.key(node))
        if isinstance(node, MacroUse):
            return self.planner.key(node)
        return id(node)


def _units(nodes: Iterable[Node]) -> Iterator[Layer | MacroUse | Residual | Branches]:
    """The nodes with repeats opened; a repeated group or residual becomes a block."""
    for node in nodes:
        if not isinstance(node, Repeat):
            yield node
            continue
        for copy in node.copies:
            only = copy[0] if len(copy) == 1 else None
            if len(node.copies) == 1 or isinstance(only, Layer | MacroUse):
                yield from _units(copy)
            elif isinstance(only, Repeat):
                yield MacroUse("Block", copy, (), _output(copy), node.span)
            else:
                name = "ResidualBlock" if isinstance(only, Residual) else "Block"
                yield MacroUse(name, copy, (), _output(copy), node.span)


def _output(nodes: tuple[Node, ...]) -> Tensor:
    last = nodes[-1]
    if isinstance(last, Repeat):
        return _output(last.copies[-1])
    if isinstance(last, Branches):
        return last.branches[-1].output
    return last.output


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
                read = tuple(
                    masks.setdefault(mask, len(masks))
                    for mask in masks_read(uses[0].nodes)
                )
                return ("block", len(uses), uses[0].key, read)
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
    found: dict[Mask, None] = {}
    for layer in layers(nodes):
        if layer.spec.reads_mask:
            read = (tensor.mask for tensor in mask_readers(layer))
            found.update((mask, None) for mask in read if mask is not None)
    return list(found)


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
