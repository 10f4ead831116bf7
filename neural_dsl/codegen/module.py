"""Writes one whole file: which classes it needs, in which order, and the model itself."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from neural_dsl.catalogue.tensors import Mask
from neural_dsl.codegen.emit import Flow, ScopeWriter, shape_comment
from neural_dsl.codegen.environment import BackendTemplates, Symbol, arguments
from neural_dsl.codegen.names import Names, pascal_case
from neural_dsl.codegen.plan import (
    BlockClass,
    BlockStep,
    BlockUse,
    BranchesStep,
    LayerStep,
    Planner,
    ResidualStep,
    Step,
    flat_layers,
    is_size,
    masks_read,
    needs_memory,
)
from neural_dsl.codegen.uses import LayerClass, Uses, attention_use, layer_use
from neural_dsl.ir.nodes import Layer, Network

_SHOWN = {"softmax": "probabilities", "sigmoid": "probabilities"}
_SHOWN_AS = {
    "softmax": ", softmax makes them probabilities",
    "sigmoid": ", a sigmoid makes them probabilities",
}


class ModuleWriter:
    """Everything about one emitted file that its scopes share."""

    def __init__(self, network: Network, backend: str):
        self.network = network
        self.templates = BackendTemplates(backend)
        structure = self.templates.structure
        self.inline: bool = structure.inline
        self.reserved: frozenset[str] = frozenset(structure.reserved.split())
        self.names = Names(structure.taken.split())
        self.layers = list(network.layers())
        self.class_of: dict[int, LayerClass] = {}
        self.shared: dict[str, Uses] = {}
        self.layer_classes = self._layer_classes()
        self.name = self.names.unique(pascal_case(network.name), separator="")
        layer_names = structure.layer_names.split()
        self.planner = Planner(self.reserved, layer_names, self.names)
        self.steps = self.planner.plan(network.body, top=True)
        self.block_names: dict[tuple[str, int], list[str]] = {}
        self._name_blocks(self.steps)

    # --- classes for layers ---------------------------------------------------------

    def _layer_classes(self) -> list[tuple[str, LayerClass]]:
        """One class a variant of each kind of layer that needs one; shared parts too."""
        kinds: dict[str, list[Layer]] = {}
        for layer in self.layers:
            kinds.setdefault(layer.spec.snake_name, []).append(layer)
        required: dict[str, list[Layer]] = {}
        found: list[tuple[str, LayerClass]] = []
        for kind, layers in kinds.items():
            templates = self.templates.layer(kind)
            for part in getattr(templates, "requires", ()):
                required.setdefault(part, []).extend(layers)
            if hasattr(templates, "define"):
                found.extend((kind, cls) for cls in self._variants(kind, layers))
        for part, layers in required.items():
            self.shared[part] = Uses(_part_uses(part, layers))
        return found

    def _variants(self, kind: str, layers: list[Layer]) -> Iterator[LayerClass]:
        templates = self.templates.layer(kind)
        variants: dict[str, list[Layer]] = {}
        for layer in layers:
            named = hasattr(templates, "variant")
            variant = str(templates.variant(layer)).strip() if named else ""
            variants.setdefault(variant, []).append(layer)
        for variant, members in variants.items():
            prefix = variant if len(variants) > 1 else ""
            name = self.names.unique(prefix + layers[0].type, separator="")
            cls = LayerClass(name, variant, Uses(layer_use(m) for m in members))
            self.class_of.update((id(member), cls) for member in members)
            yield cls

    def class_texts(self) -> Iterator[str]:
        """The helper classes in dependency order: shared parts, layers, blocks."""
        for part in sorted(self.shared):
            yield str(self.templates.part(part).define(self.shared[part]))
        for kind, cls in self.layer_classes:
            yield str(self.templates.layer(kind).define(cls, self.shared))
        for block in self.planner.classes.values():
            yield self._block_class(block)

    # --- classes for blocks ---------------------------------------------------------

    def _block_class(self, block: BlockClass) -> str:
        """The text of one block class; also settles its constructor's parameters."""
        use = block.uses[0]
        symbols = self._symbols(block)
        masks, flow = self._block_signature(use)
        variables = Names({*self.reserved, "self", *masks.values(), "memory", "x"})
        scope = ScopeWriter(
            self,
            inline=False,
            variables=variables,
            masks=masks,
            symbols=symbols,
            show_shapes=block.shape_is_fixed,
        )
        passed = [*(flow.streams or [flow.read]), flow.memory, *masks.values()]
        scope.steps(use.steps, flow)
        parameters = {s.name: s for s in symbols.values() if s.used}
        block.parameters = list(parameters)
        kinds = [(name, type(use.values[name]).__name__) for name in block.parameters]
        return str(
            self.templates.structure.block(
                block.name,
                textwrap.fill(_inventory(use.steps), 80, subsequent_indent="    "),
                kinds,
                [name for name in passed if name],
                scope.members,
                statements(scope, flow, "return"),
            )
        )

    def _symbols(self, block: BlockClass) -> dict[tuple[int, str], Symbol]:
        """A symbol for every size in which the uses differ; equal columns share one."""
        table = [list(_slots(use.steps)) for use in block.uses]
        names = Names({"self"})
        by_column: dict[tuple[Any, ...], Symbol] = {}
        symbols: dict[tuple[int, str], Symbol] = {}
        for position, (owner, slot, _) in enumerate(table[0]):
            column = tuple(row[position][2] for row in table)
            if len(set(column)) == 1:
                continue
            symbol = by_column.get(column)
            if symbol is None:
                wanted = {"d_in": "in_features", "d_memory": "d_memory"}.get(slot, slot)
                symbol = by_column[column] = Symbol(names.unique(wanted))
                for use, value in zip(block.uses, column, strict=True):
                    use.values[symbol.name] = value
            symbols[owner, slot] = symbol
        return symbols

    def _block_signature(self, use: BlockUse) -> tuple[dict[Mask, str], Flow]:
        """The local names of the masks that a block reads, and its starting flow."""
        memory_masks = {
            layer.inputs[-1].mask
            for layer in _memory_layers(use)
            if layer.inputs[-1].mask is not None
        }
        local = Names(())
        masks = {
            mask: local.unique("memory_mask" if mask in memory_masks else "mask")
            for mask in masks_read(use.nodes)
        }
        count = self.streams_of(use)
        if count:
            return masks, Flow(streams=[f"x_{i}" for i in range(count)])
        return masks, Flow(memory="memory" if needs_memory(use.nodes) else "")

    def streams_of(self, use: BlockUse) -> int:
        """How many streams a block's first layer merges (0: it takes one tensor)."""
        first = use.steps[0] if use.steps else None
        if isinstance(first, LayerStep) and first.layers[0].spec.arity == "many":
            return len(first.layers[0].inputs)
        return self.streams_of(first.uses[0]) if isinstance(first, BlockStep) else 0

    def construct_block(
        self, use: BlockUse, symbols: Mapping[tuple[int, str], Symbol], name: str
    ) -> str:
        """`Block(units=64)`, with the caller's own parameters where it has them."""
        assert use.block is not None
        values = {
            key: symbols.get((id(use), key), use.values[key])
            for key in use.block.parameters
        }
        parts = [f"{key}={value!r}" for key, value in values.items()]
        return f"{use.block.name}({arguments([*parts, name and f'name={name}'])})"

    def _name_blocks(self, steps: tuple[Step, ...]) -> None:
        """Names of the top's block instances, where layers need names (Keras)."""
        for step in steps:
            match step:
                case BlockStep(uses=uses, attr=attr):
                    names = [attr] if len(uses) == 1 else []
                    names = names or [f"{attr}_{i}" for i in range(len(uses))]
                    self.block_names[attr, id(step)] = names
                case ResidualStep(steps=inner):
                    self._name_blocks(inner)
                case BranchesStep(paths=paths):
                    for _, _, inner in paths:
                        self._name_blocks(inner)

    # --- the model ------------------------------------------------------------------

    def model(self) -> SimpleNamespace:
        """What the skeleton template needs to know of the model itself."""
        inputs, masks_needed = self.network.inputs, masks_read(self.network.body)
        variables = Names(self.reserved_variables())
        parameters = {i.name: variables.unique(self._input_name(i)) for i in inputs}
        variables.taken.add("x")
        masks = self._mask_names(masks_needed, variables)
        scope = ScopeWriter(
            self, self.inline, variables, masks, inputs=dict(parameters)
        )
        for mask in masks:
            scope._assign(
                Flow(write=masks[mask]), self._mask(mask, masks, parameters), None
            )
            scope.lines[-1].comment = "(B, T): True where a position is valid"
        names = list(parameters.values())
        flow = Flow(read=names[0]) if len(names) == 1 else Flow(streams=names)
        scope.steps(self.steps, flow)
        has_head = bool(self.layers) and self.layers[-1].type == "Output"
        result = "logits" if has_head else "outputs"
        activation, shape = self.network.output_activation, self.network.output.shape
        if has_head and scope.lines:
            scope.lines[-1].comment += f": {result}{_SHOWN_AS.get(activation, '')}"
        return SimpleNamespace(
            name=self.name,
            doc=f"{self._inputs_in_words()} to {result} {shape_comment(self.network.output)}.",
            members=scope.members,
            lines=statements(scope, flow, result if self.inline else "return"),
            inputs=[(names[n], i) for n, i in enumerate(inputs)],
            rebinds=any(line.target in names for line in scope.lines),
            example_length=min([16, *self._position_limits()]),
            result=result,
            activation=activation,
            shown=_SHOWN.get(activation, result),
            is_short=len(shape) == 1 and (shape[0] or 99) <= 20,
        )

    def _position_limits(self) -> list[int]:
        """How many positions the encodings know; no example may be longer."""
        return [
            layer.params["max_len"]
            for layer in self.layers
            if "max_len" in layer.params
        ]

    def _inputs_in_words(self) -> str:
        """`Float input (B, 50, 256)`, `Token ids source (B, T), target (B, T)`."""
        inputs = self.network.inputs
        if len(inputs) == 1:
            kind = "Token ids" if inputs[0].tensor.dtype == "ids" else "Float input"
            return f"{kind} {shape_comment(inputs[0].tensor)}"
        return "Inputs " + ", ".join(
            f"{i.name} {shape_comment(i.tensor)}" for i in inputs
        )

    def reserved_variables(self) -> set[str]:
        """Names that no variable of the model may take."""
        return {"self", *self.templates.structure.taken.split()}

    def _input_name(self, declared: Any) -> str:
        if len(self.network.inputs) == 1 and declared.name == "input":
            ids = declared.tensor.dtype == "ids"
            return "tokens" if ids else str(self.templates.structure.input_variable)
        return str(declared.name)

    def _mask_names(self, masks: list[Mask], variables: Names) -> dict[Mask, str]:
        """Variables for the masks that are read, those that they are made of first."""
        named: dict[Mask, str] = {}

        def add(mask: Mask) -> None:
            for part in mask.parts:
                add(part)
            if mask not in named:
                name = {"input": f"{mask.input}_mask", "ones": "unmasked"}
                wanted = name.get(mask.operation, "mask")
                if len(self.network.inputs) == 1 and mask.operation == "input":
                    wanted = "mask"
                named[mask] = variables.unique(wanted)

        for mask in masks:
            add(mask)
        return named

    def _mask(
        self, mask: Mask, named: dict[Mask, str], parameters: dict[str, str]
    ) -> str:
        structure = self.templates.structure
        parts = [named[part] for part in mask.parts]
        if mask.operation == "input":
            return str(structure.input_mask(parameters[mask.input])).strip()
        if mask.operation == "ones":
            first = next(iter(parameters.values()))
            return str(structure.ones_mask(first, mask.length)).strip()
        macro = {"concat": structure.concat_masks, "all": structure.all_masks}
        return str(macro[mask.operation](parts, named[mask])).strip()

    # --- where the layers are -------------------------------------------------------

    def paths(self) -> dict[str, str]:
        """Canonical layer name -> attribute path in the live model."""
        return dict(self._paths(self.steps, "", self.inline))

    def _paths(
        self, steps: tuple[Step, ...], prefix: str, inline: bool
    ) -> Iterator[tuple[str, str]]:
        for step in steps:
            match step:
                case LayerStep(layers=layers, attr=attr):
                    for number, layer in enumerate(layers):
                        if layer.weights or layer.attentions:
                            local = attr if len(layers) == 1 else f"{attr}.{number}"
                            alone = len(layers) == 1 or not inline
                            yield layer.name, prefix + (local if alone else layer.name)
                case BlockStep(uses=uses, attr=attr):
                    for number, use in enumerate(uses):
                        local = attr if len(uses) == 1 else f"{attr}.{number}"
                        if inline:
                            local = self.block_names[attr, id(step)][number]
                        yield from self._paths(use.steps, f"{prefix}{local}.", False)
                case ResidualStep(steps=inner):
                    yield from self._paths(inner, prefix, inline)
                case BranchesStep(paths=paths):
                    for _, _, inner in paths:
                        yield from self._paths(inner, prefix, inline)


def statements(scope: ScopeWriter, flow: Flow, result: str) -> list[str]:
    """The lines of a scope as code; the last value is returned or named `result`."""
    lines = scope.lines
    last = lines[-1] if lines else None
    if last is not None and last.depth == 0 and last.target == flow.read:
        if result == "return":
            last.target, last.expression = "", f"return {last.expression}"
        else:
            last.target = result
    else:
        end = f"return {flow.read}" if result == "return" else f"{result} = {flow.read}"
        scope._say(end)
    return [line.text() for line in lines]


def _part_uses(part: str, layers: list[Layer]) -> Iterator[SimpleNamespace]:
    """Attention is described attention by attention; other parts layer by layer."""
    for layer in layers:
        if part == "attention":
            for attention in layer.attentions:
                yield attention_use(layer, attention)
        else:
            yield layer_use(layer)


def _slots(steps: tuple[Step, ...]) -> Iterator[tuple[int, str, Any]]:
    """Every size in a body: (owner, name, value), in the same order for every use."""
    for step in steps:
        match step:
            case LayerStep(layers=(layer, *_)):
                yield id(layer), "d_in", layer.inputs[0].features
                yield id(layer), "d_memory", layer.inputs[-1].features
                for parameter in layer.spec.parameters:
                    value = layer.params.get(parameter.name)
                    if is_size(parameter.kind, value):
                        yield id(layer), parameter.name, value
            case BlockStep(uses=(use, *_)):
                assert use.block is not None
                for name in use.block.parameters:
                    yield id(use), name, use.values[name]
            case ResidualStep(steps=inner):
                yield from _slots(inner)
            case BranchesStep(paths=paths):
                for _, _, inner in paths:
                    yield from _slots(inner)


def _inventory(steps: tuple[Step, ...]) -> str:
    """`Dense, Dropout, 2 x TransformerEncoder`: a block in words."""
    words: list[str] = []
    for step in steps:
        match step:
            case LayerStep(layers=layers):
                words.append(_times(len(layers)) + layers[0].type)
            case BlockStep(uses=uses):
                assert uses[0].block is not None
                words.append(_times(len(uses)) + uses[0].block.name)
            case ResidualStep(steps=inner):
                words.append(f"x + ({_inventory(inner)})")
            case BranchesStep(paths=paths):
                words.append(" | ".join(f"{n}: {_inventory(s)}" for n, _, s in paths))
    return " -> ".join(words)


def _times(count: int) -> str:
    return f"{count} x " if count > 1 else ""


def _memory_layers(use: BlockUse) -> Iterator[Layer]:
    for layer in flat_layers(use.nodes):
        if layer.spec.arity == "target" and len(layer.inputs) > 1:
            yield layer
