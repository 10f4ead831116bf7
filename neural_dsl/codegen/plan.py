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
from functools import cached_property
from itertools import count
from typing import TypeAlias

from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.codegen.imports import imported_names
from neural_dsl.codegen.names import Names, pascal_case, plural, snake_case
from neural_dsl.codegen.operations import Operations
from neural_dsl.codegen.steps import (
    BlockClass,
    BlockUse,
    BranchesStep,
    CallStep,
    ResidualStep,
    Step,
    structure,
)
from neural_dsl.codegen.templates import BackendTemplates, LayerFile
from neural_dsl.codegen.uses import Uses, layer_use, shared_parts
from neural_dsl.graph.nodes import (
    Branches,
    Layer,
    MacroUse,
    Network,
    Node,
    Repeat,
    Residual,
)
from neural_dsl.graph.walk import Folded, fold

_NUMBERED = re.compile(r"(.*_)(0|[1-9][0-9]*)")
Unit: TypeAlias = Layer | MacroUse | Residual | Branches


class Plan:
    """Everything about one emitted file that its scopes share: templates, names, classes
    and the steps of the model's own scope.

    `taken` are names that other parts of the file define. `layer_classes` and
    `block_classes` (inner ones first) are what it defines beside `parts`, the classes
    that several layers are made of.
    """

    def __init__(self, network: Network, backend: str, taken: Iterable[str]):
        self.network = network
        self.templates = BackendTemplates(backend)
        structure = self.structure = self.templates.macros("structure")
        self.inline: bool = structure.inline
        self.reserved = frozenset(structure.reserved.split())
        imported = imported_names("\n".join(structure.imports.values()))
        self.names = Names([*structure.taken.split(), *imported, *taken])
        self.layers = list(network.layers())
        self.class_of: dict[int, Uses] = {}
        needed: dict[str, list[Layer]] = {}
        self.layer_classes = list(self._layer_classes(needed))
        self.parts = shared_parts(needed)
        name = pascal_case(network.name)
        # `network Copy` with `task: Copy` makes a CopyModel.
        name += "Model" if name in self.names.taken else ""
        self.name = self.names.unique(name, separator="")
        self.block_classes: dict[Hashable, BlockClass] = {}
        self._keys: dict[int, tuple[Node, Hashable]] = {}
        self._numbers: dict[Hashable, int] = {}
        # At the top, layers keep their canonical names.
        canonical = [layer.name for layer in self.layers]
        self.steps = self._steps(network.body, Names(self.reserved, canonical), True)

    @cached_property
    def operations(self) -> Operations:
        """The names that Keras knows the steps by."""
        return Operations(self.steps, self.structure.automatic.split())

    def variables(self, own: Iterable[str] = ()) -> Names:
        """The variables of a scope: none hides what the file defines and imports."""
        return Names({"self", *self.names.taken, *own})

    def _layer_classes(
        self, needed: dict[str, list[Layer]]
    ) -> Iterator[tuple[LayerFile, Uses]]:
        """One class for each variant of a kind of layer that has one. `needed` gets the
        layers that are made of shared parts."""
        kinds: dict[str, dict[str, list[Layer]]] = {}
        for layer in self.layers:
            template = self.templates.layer(layer)
            for part in template.parts:
                needed.setdefault(part, []).append(layer)
            if template.has_class:
                variants = kinds.setdefault(layer.type, {})
                variants.setdefault(template.variant(layer), []).append(layer)
        for kind, variants in kinds.items():
            for variant, members in variants.items():
                prefix = variant if len(variants) > 1 else ""
                name = self.names.unique(prefix + kind, separator="")
                cls = Uses(name, map(layer_use, members), variant)
                self.class_of.update((id(member), cls) for member in members)
                yield self.templates.layer(members[0]), cls

    def _steps(
        self, nodes: Iterable[Node], names: Names, top: bool
    ) -> tuple[Step, ...]:
        """The nodes of one scope, those together that one loop can build."""
        runs: list[list[Unit]] = []
        for node in _units(nodes):
            if runs and self._alike(runs[-1][-1], node):
                runs[-1].append(node)
            else:
                runs.append([node])
        first = (run[0] for run in runs)
        kinds = Counter(n.spec.snake_name for n in first if isinstance(n, Layer))
        numbers = {kind: count() for kind, times in kinds.items() if times > 1}
        return tuple(self._step(run, names, top, numbers) for run in runs)

    def _alike(self, last: Unit, node: Unit) -> bool:
        """Whether a loop that builds the one may go on to build the other."""
        if isinstance(last, Layer) and isinstance(node, Layer):
            numbered = last.type == node.type and _NUMBERED.fullmatch(last.name)
            if not numbered or node.name != f"{numbered[1]}{int(numbered[2]) + 1}":
                return False
        elif not (isinstance(last, MacroUse) and isinstance(node, MacroUse)):
            return False
        one, other = fold((last, node), self._key, self._keys)
        return one == other

    def _key(self, node: Node, inside: Folded[Hashable]) -> Hashable:
        """Equal for nodes that the same code builds with the same numbers: a number, so
        that keys of keys stay short."""
        said: tuple[Hashable, ...] = ()
        match node:
            case Layer():
                said = (node.type, repr(node.params), node.inputs)
            case MacroUse():
                said = (node.macro,)
            case Branches():
                said = tuple((branch.name, branch.input) for branch in node.branches)
        whole = (type(node), said, inside)
        return self._numbers.setdefault(whole, len(self._numbers))

    def _step(
        self, run: list[Unit], names: Names, top: bool, numbers: dict[str, count[int]]
    ) -> Step:
        several = len(run) > 1
        match run[0]:
            case Layer() as layer:
                copies = tuple(node for node in run if isinstance(node, Layer))
                wanted = base = layer.spec.snake_name
                if several:
                    given = re.sub(r"_\d+$", "", layer.name)
                    wanted = plural(given if layer.given_name and top else base)
                elif top:
                    wanted = layer.name
                elif base in numbers:
                    wanted = f"{base}_{next(numbers[base])}"
                owner = top and not several
                return CallStep(copies, names.unique(wanted, owner=owner))
            case MacroUse(macro=macro):
                uses = tuple(self._use(n) for n in run if isinstance(n, MacroUse))
                wanted = snake_case(macro)
                return CallStep(
                    uses, names.unique(plural(wanted) if several else wanted)
                )
            case Residual(body=body) as node:
                return ResidualStep(node, self._steps(body, names, top))
            case Branches(branches=branches):
                rows = (
                    (each.name, each.input, self._steps(each.body, names, top))
                    for each in branches
                )
                return BranchesStep(tuple(rows))

    def _use(self, node: MacroUse) -> BlockUse:
        steps = self._steps(node.body, Names(self.reserved), False)
        key = (node.macro, structure(steps))
        block = self.block_classes.get(key)
        if block is None:
            name = self.names.unique(pascal_case(node.macro), separator="")
            block = self.block_classes[key] = BlockClass(name)
        use = BlockUse(node, steps, block)
        block.uses.append(use)
        return use


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
    match nodes[-1]:
        case Repeat(copies=copies):
            return _output(copies[-1])
        case Branches(branches=branches):
            return branches[-1].output
        case last:
            return last.output
