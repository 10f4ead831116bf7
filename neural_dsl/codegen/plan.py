"""How a network is laid out as code: what becomes a class, what becomes a loop.

A plan is the model graph seen as a programmer would write it. Runs of identical
neighbours become one step with several copies (a `ModuleList` in a loop). Every macro
that is used, and every repeated group, becomes a class; uses that differ only in sizes
share one class and pass the sizes to its constructor.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
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
_NUMBERED = re.compile(r"(.*_)(0|[1-9][0-9]*)")


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


Unit: TypeAlias = Layer | MacroUse | Residual | Branches


class Planner:
    """Plans one network; collects its block classes, inner ones first."""

    def __init__(self, reserved: Iterable[str], class_names: Names):
        self.reserved = frozenset(reserved)
        self.class_names = class_names
        self.classes: dict[Hashable, BlockClass] = {}
        self._keys: dict[int, tuple[Node, Hashable]] = {}
        self._numbers: dict[Hashable, int] = {}

    def plan(self, nodes: tuple[Node, ...], *, top: bool) -> tuple[Step, ...]:
        """The steps of one scope. At the top, layers keep their canonical names."""
        canonical = {layer.name for layer in layers(nodes)} if top else ()
        return self._steps(nodes, Names(self.reserved, canonical), top)

    def _steps(
        self, nodes: Iterable[Node], names: Names, top: bool
    ) -> tuple[Step, ...]:
        runs = self._runs(nodes)
        kinds = Counter(
            run[0].spec.snake_name for run in runs if isinstance(run[0], Layer)
        )
        numbers = {kind: count() for kind, times in kinds.items() if times > 1}
        return tuple(self._step(run, names, top, numbers) for run in runs)

    def _runs(self, nodes: Iterable[Node]) -> list[list[Unit]]:
        """The nodes, those together that one loop can build."""
        runs: list[list[Unit]] = []
        for node in _units(nodes):
            if runs and self._alike(runs[-1][-1], node):
                runs[-1].append(node)
            else:
                runs.append([node])
        return runs

    def _alike(self, last: Unit, node: Unit) -> bool:
        """Whether a loop that builds the one may go on to build the other."""
        if isinstance(last, Layer) and isinstance(node, Layer):
            numbered = last.type == node.type and _NUMBERED.fullmatch(last.name)
            if not numbered or node.name != f"{numbered[1]}{int(numbered[2]) + 1}":
                return False
        elif not (isinstance(last, MacroUse) and isinstance(node, MacroUse)):
            return False
        return self.key(last) == self.key(node)

    def _step(
        self, run: list[Unit], names: Names, top: bool, numbers: dict[str, count[int]]
    ) -> Step:
        match run[0]:
            case Layer():
                copies = tuple(node for node in run if isinstance(node, Layer))
                wanted = _layer_name(copies, top, numbers)
                owner = top and len(copies) == 1
                return LayerStep(copies, names.unique(wanted, owner=owner))
            case MacroUse(macro=macro):
                uses = tuple(
                    self._use(node) for node in run if isinstance(node, MacroUse)
                )
                wanted = snake_case(macro)
                wanted = plural(wanted) if len(run) > 1 else wanted
                return BlockStep(uses, names.unique(wanted))
            case Residual(body=body) as node:
                return ResidualStep(node, self._steps(body, names, top))
            case Branches(branches=branches):
                paths = (
                    (branch.name, branch.input, self._steps(branch.body, names, top))
                    for branch in branches
                )
                return BranchesStep(tuple(paths))

    def _use(self, node: MacroUse) -> BlockUse:
        steps = self.plan(node.body, top=False)
        key = (node.macro, structure(steps))
        block = self.classes.get(key)
        if block is None:
            name = self.class_names.unique(pascal_case(node.macro), separator="")
            block = self.classes[key] = BlockClass(name)
        use = BlockUse(node, steps, block)
        block.uses.append(use)
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


def _layer_name(
    copies: tuple[Layer, ...], top: bool, numbers: dict[str, count[int]]
) -> str:
    """The canonical name at the top; inside a class, a name counted in the class."""
    first, base = copies[0], copies[0].spec.snake_name
    if len(copies) > 1:
        given = re.sub(r"_\d+$", "", first.name)
        return plural(given if first.given_name and top else base)
    if top:
        return first.name
    return f"{base}_{next(numbers[base])}" if base in numbers else base


def _units(nodes: Iterable[Node]) -> Iterator[Unit]:
    """The nodes with repeats opened; a repeated group or residual becomes a block."""
    for node in nodes:
        if not isinstance(node, Repeat):
            yield node
            continue
        for copy in node.copies:
            only = copy[0] if len(copy) == 1 else None
            if len(node.copies) == 1 or isinstance(only, Layer | MacroUse):
                yield from _units(copy)
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
