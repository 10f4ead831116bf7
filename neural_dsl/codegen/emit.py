"""Writes the statements of one scope: a block class or the whole model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from neural_dsl.catalogue.tensors import Mask, Tensor
from neural_dsl.codegen.context import Context
from neural_dsl.codegen.environment import Symbol, arguments
from neural_dsl.codegen.lines import Variables, shape_comment
from neural_dsl.codegen.names import Names, loop_over, name_expression, singular
from neural_dsl.codegen.steps import (
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
    streams_of,
)
from neural_dsl.codegen.uses import View
from neural_dsl.graph.nodes import Layer
from neural_dsl.graph.walk import first_layer, reads_memory, wired


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
class ScopeWriter(Variables):
    """Collects the members (what the constructor makes) and the lines of one scope."""

    context: Context
    inline: bool
    variables: Names
    masks: Mapping[Mask, str]
    inputs: Mapping[str, str] = field(default_factory=dict)
    kept: Collection[str] = ()
    """The variables of inputs that are read more than once: no step writes to them."""
    symbols: Mapping[int, Mapping[str, Symbol]] = field(default_factory=dict)
    """What stands in for the sizes of a layer or block, by its id."""
    members: list[str] = field(default_factory=list)
    widths: dict[str, Symbol | None] = field(default_factory=dict)
    """The parameter of the constructor that is a variable's number of features."""

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
        layer, several = step.layers[0], len(step.layers) > 1
        template, view = self.context.templates.layer(layer), self._view(layer)
        argument = self._argument(layer, view, flow, template.layout(view))
        width = None if isinstance(argument, list) else self.widths.get(flow.read)
        width = view.between(width)
        if several:
            argument = self._one_variable(flow)
        called = self._made(step, view)
        expression = template.call(view, called, argument)
        if expression == argument:
            return  # a linear activation does nothing
        if several and not called:
            self.say(f"for _ in range({len(step.layers)}):")
            self.depth += 1
        layout = view.layout if len(layer.output.shape) > 1 else "last"
        flow.read = self.assign(
            flow.write, expression, layer.output, layer.inputs[0], layout
        )
        self.widths[flow.read] = width
        line = self.lines[-1]
        if width is not None and line.comment:
            line.comment = shape_comment(layer.output, layout, width.name)
        self.depth -= several

    def _argument(
        self, layer: Layer, view: View, flow: Flow, layout: str
    ) -> str | list[str]:
        """What the layer is called with, in its layout; leaves the flow at one value."""
        read, memory = wired(layer, flow.streams or [flow.read], flow.memory or None)
        flow.memory = memory or ""
        if layer.spec.arity == "many":
            alike = {self.layout_of(name) for name in read}
            view.layout = alike.pop() if layout == "any" and len(alike) == 1 else "last"
            flow.streams = []
            given = [self.arranged(name, view.layout) for name in read]
            flow.write = self._merged_name(flow)
            return given
        self._take_target(flow)
        view.layout = self.layout_of(flow.read) if layout == "any" else layout
        self.arrange(flow, view.layout, layer.inputs[0])
        if reads_memory(layer):
            flow.memory = view.memory = self.arranged(flow.memory, "last")
        return flow.read

    def arrange(self, flow: Flow, layout: str, tensor: Tensor | None = None) -> None:
        """Give the value the order of axes that is wanted, where it has another."""
        flow.read = self.arranged(flow.read, layout, flow.write, tensor)

    def arranged(
        self, name: str, layout: str, write: str = "", tensor: Tensor | None = None
    ) -> str:
        """The variable that has its axes in this order: itself, or `write` (by default
        its own name) after they were permuted."""
        if self.layout_of(name) == layout:
            return name
        tensor = tensor or self.shapes[name]
        rank = len(tensor.shape) + 1
        text = self.context.structure.permuted(name, rank, layout)
        self.assign(write or name, str(text).strip(), tensor, None, layout)
        return write or name

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
        use, several = step.uses[0], len(step.uses) > 1
        if several:
            self._take_target(flow)
            self._one_variable(flow)
        given = self._block_arguments(use, flow)
        first = first_layer(use.node.body)
        before = first.inputs[0] if first else None
        called = self._made(step)
        flow.read = self.assign(
            flow.write, f"{called}({given})", use.node.output, before
        )
        self.depth -= several

    def _block_arguments(self, use: BlockUse, flow: Flow) -> str:
        if streams_of(use) and flow.streams:
            values = [self.arranged(name, "last") for name in flow.streams]
            flow.write, flow.streams = self._merged_name(flow), []
        else:
            self._take_target(flow)
            self.arrange(flow, "last")
            values = [flow.read]
            if needs_memory(use.node.body):
                values = [flow.read, self.arranged(flow.memory, "last")]
        masks = [self.masks[mask] for mask in masks_read(use.node.body)]
        inputs = [
            self.inputs[name] for name in dict.fromkeys(inputs_read(use.node.body))
        ]
        return ", ".join([*values, *masks, *inputs])

    def _residual(self, step: ResidualStep, flow: Flow) -> None:
        if streams_of(step):
            flow.read = flow.write = flow.streams[-1]  # the body merges them all
        else:
            self._take_target(flow)
        if not self.inline and all(map(self._nests, step.steps)):
            self.arrange(flow, "last")
            inner, width = flow.read, self.widths.get(flow.read)
            for each in step.steps:
                inner, width = self._nested(each, inner, width)
            output = step.node.output
            flow.read = self.assign(
                flow.write, f"{flow.read} + {inner}", output, output
            )
            return
        shortcut, copied = flow.read, flow.read == flow.write
        if copied:
            shortcut = self.variables.unique("residual")
            self.copy(shortcut, flow.read)
        self.steps(step.steps, flow)
        layout = self.layout_of(shortcut)
        self.arrange(flow, layout)
        name = self.context.operations.layers[step.node.name] if self.inline else ""
        added = self.context.structure.add_residual(shortcut, flow.read, name)
        output = step.node.output
        flow.read = self.assign(flow.write, str(added).strip(), output, output, layout)
        if copied:
            self.variables.taken.discard(shortcut)

    def _nests(self, step: Step) -> bool:
        """Whether the call of this step may be the argument of the next one's: it is one
        call, of one tensor with its features last, that says its argument once."""
        if isinstance(step, BlockStep):
            nodes, use = step.uses[0].node.body, step.uses[0]
            reads_more = streams_of(use) or needs_memory(nodes) or masks_read(nodes)
            return len(step.uses) == 1 and not (reads_more or any(inputs_read(nodes)))
        if not isinstance(step, LayerStep) or len(step.layers) > 1:
            return False
        layer = step.layers[0]
        template, view = self.context.templates.layer(layer), self._view(layer)
        is_plain = layer.spec.arity != "many" and not reads_memory(layer)
        is_last = template.layout(view) != "first" and view.rank <= 3
        return template.is_call and is_plain and is_last

    def _nested(
        self, step: Step, argument: str, width: Symbol | None
    ) -> tuple[str, Symbol | None]:
        """The call of such a step, and the parameter that is its number of features."""
        if isinstance(step, BlockStep):
            return f"{self._made(step)}({argument})", None
        assert isinstance(step, LayerStep)
        layer = step.layers[0]
        template, view = self.context.templates.layer(layer), self._view(layer)
        width = view.between(width)
        return template.call(view, self._made(step, view), argument), width

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
            self.copy(flow.write, flow.read)
            flow.read = flow.write
        return flow.read

    def _made(self, step: LayerStep | BlockStep, view: View | None = None) -> str:
        """Text of what is called: `self.dense`, a loop variable, or the constructor; empty
        where nothing is made. `view` is that of a layer.

        For several copies this opens the loop; the caller closes it.
        """
        context, attr = self.context, step.attr
        copies = len(step.layers if isinstance(step, LayerStep) else step.uses)
        names = context.operations.names(step) if self.inline else [attr] * copies
        if self.inline:
            name = name_expression(names)
        elif context.names_members and (view is None or view.layer.weights):
            # What Keras calls a member of a block: weights' paths are made of it.
            name = f'"{attr}"' if copies == 1 else f'f"{attr}_{{i}}"'
        else:
            name = ""
        if isinstance(step, BlockStep):
            use = step.uses[0]
            constructor = construct_block(use, self.symbols.get(id(use), {}), name)
        else:
            assert view is not None
            view.name = name
            constructor = context.templates.layer(view.layer).make(view)
        if not constructor:
            return ""
        if self.inline:
            called, over = constructor, loop_over(names)
        elif copies == 1:
            self.members.append(f"self.{attr} = {constructor}")
            return f"self.{attr}"
        else:
            many = context.structure.members(constructor, copies).strip()
            self.members.append(f"self.{attr} = {many}")
            called = self.variables.unique(singular(attr))
            self.variables.taken.discard(called)  # free again after the loop
            over = f"{called} in self.{attr}"
        if copies > 1:
            self.say(f"for {over}:")
            self.depth += 1
        return called

    def _view(self, layer: Layer) -> View:
        view = self.context.view(layer, self.symbols.get(id(layer), {}))
        if layer.spec.reads_mask:
            first, last = layer.inputs[0], layer.inputs[-1]
            if mask_readers(layer)[0] is first and first.mask is not None:
                view.mask = self.masks[first.mask]
            if len(layer.inputs) > 1 and last.mask is not None:
                view.memory_mask = self.masks[last.mask]
        return view


def construct_block(use: BlockUse, symbols: Mapping[str, Symbol], name: str) -> str:
    """`Block(units=64)`, with the caller's own parameters where it has them."""
    values = {key: symbols.get(key, use.values[key]) for key in use.block.parameters}
    parts = [f"{key}={value!r}" for key, value in values.items()]
    return f"{use.block.name}({arguments([*parts, name and f'name={name}'])})"


def statements(scope: ScopeWriter, flow: Flow, result: str) -> list[str]:
    """The lines of a scope as code; the last value is returned or named `result`."""
    scope.arrange(flow, "last")  # what leaves a scope has its features last
    lines = scope.lines
    last = lines[-1] if lines else None
    if last is not None and last.depth == 0 and last.target == flow.read:
        if result == "return":
            last.target, last.expression = "", f"return {last.expression}"
        else:
            last.target = result
    else:
        end = f"return {flow.read}" if result == "return" else f"{result} = {flow.read}"
        scope.say(end)
    return [line.text() for line in lines]
