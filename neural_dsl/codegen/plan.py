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
from itertools import count
from typing import TypeAlias

from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.codegen.names import Names, pascal_case, plural, snake_case
from neural_dsl.codegen.steps import (
    BlockClass,
    BlockStep,
    BlockUse,
    BranchesStep,
    LayerStep,
    ResidualStep,
    Step,
    structure,
)
from neural_dsl.graph.nodes import Branches, Layer, MacroUse, Node, Repeat, Residual
from neural_dsl.graph.walk import Folded, fold, layers

_NUMBERED = re.compile(r"(.*_)(0|[1-9][0-9]*)")


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
                yield MacroUse(copy, (), _output(copy), node.span, name)


def _output(nodes: tuple[Node, ...]) -> Tensor:
    last = nodes[-1]
    if isinstance(last, Repeat):
        return _output(last.copies[-1])
    if isinstance(last, Branches):
        return last.branches[-1].output
    return last.output
