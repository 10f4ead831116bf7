"""Writes the class of a macro or a repeated group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias

from neural_dsl.codegen.emit import Flow, ScopeWriter
from neural_dsl.codegen.environment import Symbol
from neural_dsl.codegen.names import Names
from neural_dsl.codegen.plan import Plan
from neural_dsl.codegen.steps import (
    BlockClass,
    BlockUse,
    BranchesStep,
    CallStep,
    ResidualStep,
    Step,
    inner,
    is_size,
)
from neural_dsl.graph.nodes import Layer
from neural_dsl.graph.walk import layers, reads_memory

Symbols: TypeAlias = dict[int, dict[str, Symbol]]


def block_class(plan: Plan, block: BlockClass) -> str:
    """The text of one block class; also settles its constructor's parameters."""
    use = block.uses[0]
    symbols = _symbols(block, plan)
    readers = filter(reads_memory, layers(use.node.body))
    of_memory = {layer.inputs[-1].mask for layer in readers}
    own = Names(())
    masks = {
        m: own.unique("memory_mask" if m in of_memory else "mask") for m in use.masks
    }
    streams = [f"x_{i}" for i in range(use.streams)]
    flow = Flow(streams=streams)
    if not streams and use.takes_memory:
        flow.memory = "memory"
    variables = plan.variables({*masks.values(), *streams, "memory", "x"})
    read = Counter(use.inputs)
    inputs = {name: variables.unique(name) for name in read}
    one_shape = len({each.node.output for each in block.uses}) == 1
    scope = ScopeWriter(
        plan,
        variables,
        masks,
        inputs,
        kept={inputs[name] for name, times in read.items() if times > 1},
        symbols=symbols,
        show_shapes=not block.varies and one_shape,
    )
    passed = [*(streams or ["x"]), flow.memory, *masks.values(), *inputs.values()]
    scope.steps(use.steps, flow)
    used = [s.name for each in symbols.values() for s in each.values() if s.used]
    first = [name for name in use.node.parameters if name in used]
    block.parameters = list(dict.fromkeys([*first, *used]))
    text = plan.structure.block(
        block.name,
        f"{_inventory(use.steps)}.",
        [(name, type(use.values[name]).__name__) for name in block.parameters],
        [name for name in passed if name],
        scope.members,
        scope.finish(flow, "return"),
    )
    return str(text)


def _symbols(block: BlockClass, plan: Plan) -> Symbols:
    """A symbol for every parameter of the macro that a body reads, and for every other
    size in which the uses differ; equal columns share one."""
    table = [list(_slots(use.steps)) for use in block.uses]
    # A constructor takes them beside Keras' own, and reads what the file defines.
    names = plan.variables({"name", "kwargs"})
    by_column: dict[tuple[Any, ...], Symbol] = {}
    symbols: Symbols = {}
    # The macro's own come first: what varies as one of them does is that one.
    for row in sorted(zip(*table, strict=True), key=lambda row: not row[0][3]):
        owner, slot, _, given = row[0]
        column = tuple(value for _, _, value, _ in row)
        varies = len(set(column)) > 1
        block.varies |= varies
        if not varies and not given:
            continue
        symbol = by_column.get((given, *column)) or by_column.get(("", *column))
        if symbol is None or (given and symbol.name != given):
            wanted = {"d_in": "in_features"}.get(slot, slot)
            symbol = Symbol(names.unique(given or wanted))
            by_column[(given, *column)] = symbol
            if given:
                block.of_macro.add(symbol.name)
            if varies:
                by_column.setdefault(("", *column), symbol)
            for use, value in zip(block.uses, column, strict=True):
                use.values[symbol.name] = value
        symbols.setdefault(owner, {})[slot] = symbol
    return symbols


def _slots(steps: tuple[Step, ...]) -> Iterator[tuple[int, str, Any, str]]:
    """Every size in a body: (owner, name, value, the macro's parameter that it is or ""),
    in the same order for every use."""
    for step in steps:
        match step:
            case CallStep(copies=(Layer() as layer, *_)):
                yield id(layer), "d_in", layer.inputs[0].features, ""
                yield id(layer), "d_memory", layer.inputs[-1].features, ""
                for parameter in layer.spec.parameters:
                    name, value = parameter.name, layer.params.get(parameter.name)
                    if is_size(parameter.kind, value):
                        yield id(layer), name, value, layer.passed.get(name, "")
            case CallStep(copies=(BlockUse() as use, *_)):
                for name in use.block.parameters:
                    given = name if name in use.block.of_macro else ""
                    if use.node.parameters:  # a macro of its own, not a repeated group
                        given = use.node.passed.get(name, "")
                    yield id(use), name, use.values[name], given
            case _:
                yield from _slots(inner(step))


def _inventory(steps: tuple[Step, ...]) -> str:
    """`Dense, Dropout, 2 x TransformerEncoder`: a block in words."""
    words: list[str] = []
    for step in steps:
        match step:
            case CallStep(copies=copies):
                first = copies[0]
                name = first.type if isinstance(first, Layer) else first.block.name
                words.append(f"{len(copies)} x {name}" if len(copies) > 1 else name)
            case ResidualStep(steps=body):
                words.append(f"x + ({_inventory(body)})")
            case BranchesStep(paths=paths):
                words.append(" | ".join(f"{n}: {_inventory(s)}" for n, _, s in paths))
    return " -> ".join(words)
