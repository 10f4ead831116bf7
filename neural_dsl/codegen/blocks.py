"""Writes the class of a macro or a repeated group, and the calls that construct it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias

from neural_dsl.catalogue.tensors import Mask
from neural_dsl.codegen.context import Context
from neural_dsl.codegen.emit import Flow, ScopeWriter, statements
from neural_dsl.codegen.environment import Symbol
from neural_dsl.codegen.names import Names
from neural_dsl.codegen.steps import (
    BlockClass,
    BlockStep,
    BlockUse,
    BranchesStep,
    LayerStep,
    ResidualStep,
    Step,
    inner,
    inputs_read,
    is_size,
    masks_read,
    needs_memory,
    streams_of,
)
from neural_dsl.graph.walk import layers, reads_memory

Symbols: TypeAlias = dict[int, dict[str, Symbol]]


def block_class(context: Context, block: BlockClass) -> str:
    """The text of one block class; also settles its constructor's parameters."""
    use = block.uses[0]
    symbols = _symbols(block, context)
    masks, flow = _signature(use)
    masked = set(masks.values())
    own = {*masked, *flow.streams, "memory", "x"}
    variables = Names({*context.reserved_variables(), *own})
    nodes = use.node.body
    read = Counter(inputs_read(nodes))
    inputs = {name: variables.unique(name) for name in read}
    scope = ScopeWriter(
        context=context,
        inline=False,
        variables=variables,
        masks=masks,
        inputs=inputs,
        kept={inputs[name] for name, times in read.items() if times > 1},
        symbols=symbols,
        show_shapes=not block.varies and block.shape_is_fixed,
    )
    passed = [*(flow.streams or [flow.read]), flow.memory, *masks.values()]
    passed += inputs.values()
    scope.steps(use.steps, flow)
    made = (s for each in symbols.values() for s in each.values())
    used = {symbol.name for symbol in made if symbol.used}
    first = [name for name in use.node.parameters if name in used]
    others = (s.name for each in symbols.values() for s in each.values() if s.used)
    block.parameters = list(dict.fromkeys([*first, *others]))
    kinds = [(name, type(use.values[name]).__name__) for name in block.parameters]
    return str(
        context.structure.block(
            block.name,
            f"{_inventory(use.steps)}.",
            kinds,
            [name for name in passed if name],
            scope.members,
            statements(scope, flow, "return"),
        )
    )


def _symbols(block: BlockClass, context: Context) -> Symbols:
    """A symbol for every parameter of the macro that a body reads, and for every other
    size in which the uses differ; equal columns share one."""
    table = [list(_slots(use.steps)) for use in block.uses]
    # A constructor takes them beside Keras' own, and reads what the file defines.
    names = Names({"name", "kwargs", *context.reserved_variables()})
    by_column: dict[tuple[Any, ...], Symbol] = {}
    symbols: Symbols = {}
    # The macro's own come first: what varies as one of them does is that one.
    for position in sorted(range(len(table[0])), key=lambda i: not table[0][i][3]):
        owner, slot, _, given = table[0][position]
        column = tuple(row[position][2] for row in table)
        varies = len(set(column)) > 1
        block.varies |= varies
        if not varies and not given:
            continue
        symbol = by_column.get((given, *column)) or by_column.get(("", *column))
        if symbol is None or (given and symbol.name != given):
            wanted = {"d_in": "in_features", "d_memory": "d_memory"}.get(slot, slot)
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


def _signature(use: BlockUse) -> tuple[dict[Mask, str], Flow]:
    """The local names of the masks that a block reads, and its starting flow."""
    readers = filter(reads_memory, layers(use.node.body))
    memory_masks = {layer.inputs[-1].mask for layer in readers}
    local = Names(())
    masks = {
        mask: local.unique("memory_mask" if mask in memory_masks else "mask")
        for mask in masks_read(use.node.body)
    }
    count = streams_of(use)
    if count:
        return masks, Flow(streams=[f"x_{i}" for i in range(count)])
    return masks, Flow(memory="memory" if needs_memory(use.node.body) else "")


def _slots(steps: tuple[Step, ...]) -> Iterator[tuple[int, str, Any, str]]:
    """Every size in a body: (owner, name, value, the macro's parameter that it is or ""),
    in the same order for every use."""
    for step in steps:
        match step:
            case LayerStep(layers=(layer, *_)):
                yield id(layer), "d_in", layer.inputs[0].features, ""
                yield id(layer), "d_memory", layer.inputs[-1].features, ""
                for parameter in layer.spec.parameters:
                    name, value = parameter.name, layer.params.get(parameter.name)
                    if is_size(parameter.kind, value):
                        yield id(layer), name, value, layer.passed.get(name, "")
            case BlockStep(uses=(use, *_)):
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
            case LayerStep(layers=copies):
                words.append(_times(len(copies)) + copies[0].type)
            case BlockStep(uses=uses):
                words.append(_times(len(uses)) + uses[0].block.name)
            case ResidualStep(steps=body):
                words.append(f"x + ({_inventory(body)})")
            case BranchesStep(paths=paths):
                words.append(" | ".join(f"{n}: {_inventory(s)}" for n, _, s in paths))
    return " -> ".join(words)


def _times(count: int) -> str:
    return f"{count} x " if count > 1 else ""
