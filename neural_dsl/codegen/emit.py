"""Writes the statements of one scope: a block class or the whole model."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from neural_dsl.catalogue.tensors import Mask, Tensor
from neural_dsl.codegen.environment import Symbol, arguments
from neural_dsl.codegen.names import Names
from neural_dsl.codegen.plan import (
    BlockStep,
    BlockUse,
    BranchesStep,
    LayerStep,
    ResidualStep,
    Step,
    inputs_read,
    mask_readers,
    masks_read,
    needs_memory,
)
from neural_dsl.codegen.uses import View
from neural_dsl.graph.nodes import Layer
from neural_dsl.graph.wiring import reads_memory, wired

if TYPE_CHECKING:
    from neural_dsl.codegen.module import ModuleWriter

INDENT = "    "


@dataclass
class Line:
    """`target = expression  # comment`, or any other statement when target is empty."""

    depth: int
    target: str
    expression: str
    comment: str = ""

    def text(self) -> str:
        """The statement as code."""
        code = f"{self.target} = {self.expression}" if self.target else self.expression
        comment = f"  # {self.comment}" if self.comment else ""
        return INDENT * self.depth + code + comment


@dataclass
class Flow:
    """Where the value is: the variable to read, the one to write next, and, after
    several inputs or branches, one variable a stream. Streams merge into `home`."""

    read: str = "x"
    write: str = "x"
    streams: list[str] = field(default_factory=list)
    memory: str = ""
    home: str = "x"


@dataclass
class ScopeWriter:
    """Collects the members (what the constructor makes) and the lines of one scope."""

    module: ModuleWriter
    inline: bool
    variables: Names
    masks: Mapping[Mask, str]
    inputs: Mapping[str, str] = field(default_factory=dict)
    kept: Collection[str] = ()
    """The variables of inputs that are read more than once: no step writes to them."""
    symbols: Mapping[tuple[int, str], Symbol] = field(default_factory=dict)
    show_shapes: bool = True
    members: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    depth: int = 0

    def steps(self, steps: tuple[Step, ...], flow: Flow) -> None:
        """Write the steps one after another; `flow` says where the value ends up."""
        for step in steps:
            match step:
                case LayerStep():
                    self._layer(step, flow)
                case BlockStep():
                    self._block(step, flow)
                case ResidualStep():
                    self._residual(step, flow)
                case BranchesStep():
                    self._branches(step, flow)

    def _layer(self, step: LayerStep, flow: Flow) -> None:
        layer = step.layers[0]
        templates = self.module.templates.layer(layer.spec.snake_name)
        view = self._view(layer)
        argument = self._argument(layer, view, flow)
        names = [layer.name for layer in step.layers]
        if self.inline:
            names = [self.module.operations.layers[name] for name in names]
            view.name = self._name_expression(names)
        elif self.module.names_members and layer.weights:
            view.name = _member_name(step.attr, len(names))
        constructor = _macro(templates, "module", view)
        if len(names) > 1:
            argument = self._one_variable(flow)
        called = self._member(constructor, step.attr, names)
        expression = _macro(templates, "call", view, called, argument)
        if not expression:
            expression = f"{called}({argument})"
        if expression == argument:
            return  # a linear activation does nothing
        if len(names) > 1 and not constructor:
            self._say(f"for _ in range({len(names)}):")
            self.depth += 1
        self._assign(flow, expression, layer.output)
        if len(names) > 1:
            self.depth -= 1

    def _argument(self, layer: Layer, view: View, flow: Flow) -> Any:
        """What the layer is called with; leaves the flow at a single value."""
        read, memory = wired(layer, flow.streams or [flow.read], flow.memory or None)
        flow.memory = memory or ""
        if layer.spec.arity == "many":
            flow.streams = []
            flow.write = self._merged_name(flow)
            return list(read)
        self._take_target(flow)
        if reads_memory(layer):
            view.memory = flow.memory
        return flow.read

    def _take_target(self, flow: Flow) -> None:
        """After branches, go on with the last as the value and the first as memory."""
        if flow.streams:
            if len(flow.streams) > 1:
                flow.memory = flow.streams[0]
            flow.read = flow.write = flow.streams[-1]
            if flow.read in self.kept:
                flow.write = self._merged_name(flow)
            flow.streams = []

    def _merged_name(self, flow: Flow) -> str:
        kept = {flow.memory, *self.masks.values()}
        return self.variables.unique("merged") if flow.home in kept else flow.home

    def _block(self, step: BlockStep, flow: Flow) -> None:
        use = step.uses[0]
        if len(step.uses) > 1:
            self._take_target(flow)
            self._one_variable(flow)
        arguments = self._block_arguments(use, flow)
        name, names = "", [""] * len(step.uses)
        if self.inline:
            names = self.module.operations.blocks[id(step)]
            name = self._name_expression(names)
        elif self.module.names_members:
            name = _member_name(step.attr, len(names))
        constructor = construct_block(use, self.symbols, name)
        called = self._member(constructor, step.attr, names)
        self._assign(flow, f"{called}({arguments})", use.output)
        if len(step.uses) > 1:
            self.depth -= 1

    def _block_arguments(self, use: BlockUse, flow: Flow) -> str:
        takes_streams = streams_of(use)
        if takes_streams and flow.streams:
            values = flow.streams
            flow.write, flow.streams = self._merged_name(flow), []
        else:
            self._take_target(flow)
            values = [flow.read]
            if needs_memory(use.nodes):
                values = [flow.read, flow.memory]
        masks = [self.masks[mask] for mask in masks_read(use.nodes)]
        inputs = [self.inputs[name] for name in dict.fromkeys(inputs_read(use.nodes))]
        return ", ".join([*values, *masks, *inputs])

    def _residual(self, step: ResidualStep, flow: Flow) -> None:
        if streams_of(step):
            flow.read = flow.write = flow.streams[-1]  # the body merges them all
        else:
            self._take_target(flow)
        shortcut, copied = flow.read, flow.read == flow.write
        if copied:
            shortcut = self.variables.unique("residual")
            self._say(f"{shortcut} = {flow.read}")
        self.steps(step.steps, flow)
        name = self.module.operations.layers[step.node.name] if self.inline else ""
        added = self.module.templates.structure.add_residual(shortcut, flow.read, name)
        self._assign(flow, str(added).strip(), step.node.output)
        if copied:
            self.variables.taken.discard(shortcut)

    def _branches(self, step: BranchesStep, flow: Flow) -> None:
        streams = []
        for position, (name, source, steps) in enumerate(step.paths):
            read = self.inputs.get(source or "") or flow.read
            if source is None and flow.streams:
                read = flow.streams[min(position, len(flow.streams) - 1)]
            write = read
            if source is None or read in self.kept:
                write = self.variables.unique(name)
            path = Flow(read, write, memory=flow.memory, home=write)
            self.steps(steps, path)
            streams.append(path.read)
        flow.streams = streams

    # --- helpers --------------------------------------------------------------------

    def _one_variable(self, flow: Flow) -> str:
        """A loop reads and writes one variable: copy the value to it if need be."""
        if flow.read != flow.write:
            self._say(f"{flow.write} = {flow.read}")
            flow.read = flow.write
        return flow.read

    def _member(self, constructor: str, attr: str, names: list[str]) -> str:
        """Text of what is called: `self.dense`, a loop variable, or the constructor.

        For several copies this opens the loop; the caller closes it.
        """
        if not constructor:
            return ""
        several = len(names) > 1
        if self.inline:
            if several:
                self._say(f"for {_loop_over(names)}:")
                self.depth += 1
            return constructor
        if not several:
            self.members.append(f"self.{attr} = {constructor}")
            return f"self.{attr}"
        many = self.module.templates.structure.members(constructor, len(names)).strip()
        self.members.append(f"self.{attr} = {many}")
        one = self.variables.unique(_singular(attr))
        self.variables.taken.discard(one)  # free again after the loop
        self._say(f"for {one} in self.{attr}:")
        self.depth += 1
        return one

    def _name_expression(self, names: list[str]) -> str:
        """`"dense"`, or `f"dense_{i}"` inside a loop."""
        if len(names) == 1:
            return repr_double(names[0])
        base = re.sub(r"\d+$", "", names[0])
        return f'f"{base}{{i}}"'

    def _view(self, layer: Layer) -> View:
        params: Mapping[str, Any] = layer.params
        inputs = layer.inputs
        d_in: Any = inputs[0].features
        d_memory: Any = inputs[-1].features
        if self.symbols:
            found = {
                key: self.symbols[id(layer), key]
                for key in (*params, "d_in", "d_memory")
                if (id(layer), key) in self.symbols
            }
            d_in = found.pop("d_in", d_in)
            d_memory = found.pop("d_memory", d_memory)
            params = {**params, **found}
        view = View(
            layer,
            params,
            d_in,
            d_memory,
            self.module.class_of.get(id(layer)),
            self.module.shared,
        )
        if layer.spec.reads_mask:
            read = mask_readers(layer)
            if read[0] is inputs[0] and inputs[0].mask is not None:
                view.mask = self.masks[inputs[0].mask]
            if len(inputs) > 1 and inputs[-1].mask is not None:
                view.memory_mask = self.masks[inputs[-1].mask]
        return view

    def _assign(self, flow: Flow, expression: str, output: Tensor | None) -> None:
        comment = shape_comment(output) if output and self.show_shapes else ""
        self.lines.append(Line(self.depth, flow.write, expression, comment))
        flow.read = flow.write

    def _say(self, statement: str) -> None:
        self.lines.append(Line(self.depth, "", statement))


def streams_of(use: BlockUse | ResidualStep) -> int:
    """How many streams a block's first layer merges (0: it takes one tensor)."""
    first = use.steps[0] if use.steps else None
    if isinstance(first, ResidualStep):
        return streams_of(first)
    if isinstance(first, LayerStep) and first.layers[0].spec.arity == "many":
        return len(first.layers[0].inputs)
    return streams_of(first.uses[0]) if isinstance(first, BlockStep) else 0


def construct_block(
    use: BlockUse, symbols: Mapping[tuple[int, str], Symbol], name: str
) -> str:
    """`Block(units=64)`, with the caller's own parameters where it has them."""
    assert use.block is not None
    values = {
        key: symbols.get((id(use), key), use.values[key])
        for key in use.block.parameters
    }
    parts = [f"{key}={value!r}" for key, value in values.items()]
    return f"{use.block.name}({arguments([*parts, name and f'name={name}'])})"


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


def repr_double(text: str) -> str:
    """A string literal as Ruff quotes it. `text` is an identifier."""
    return f'"{text}"'


def shape_comment(tensor: Tensor) -> str:
    """`(B, 50, 256)`; an axis of any length is T."""
    sizes = ["B", *("T" if size is None else str(size) for size in tensor.shape)]
    return f"({', '.join(sizes)})"


def _member_name(attr: str, count: int) -> str:
    """What Keras calls a member of a block, `"dense"`: weights' paths are made of it."""
    return repr_double(attr) if count == 1 else f'f"{attr}_{{i}}"'


def _loop_over(names: list[str]) -> str:
    first = int(re.sub(r"^.*_", "", names[0]))
    if first == 0:
        return f"i in range({len(names)})"
    return f"i in range({first}, {first + len(names)})"


def _singular(attr: str) -> str:
    """The loop variable: `transformer_encoders` -> `encoder`, `dense_layers` -> `layer`."""
    word = re.sub(r"_\d+$", "", attr).rstrip("_").rsplit("_", 1)[-1]
    word = word[:-1] if word.endswith("s") else word
    return word if len(word) <= 10 else "layer"


def _macro(templates: Any, name: str, *arguments: Any) -> str:
    macro = getattr(templates, name, None)
    return str(macro(*arguments)).strip() if macro else ""
