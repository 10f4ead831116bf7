"""Writes the statements of one scope: a block class or the whole model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from neural_dsl.catalogue.tensors import Mask, Tensor
from neural_dsl.codegen.environment import Symbol, arguments
from neural_dsl.codegen.lines import Held, Line, shape_comment
from neural_dsl.codegen.names import Names, numbered, singular
from neural_dsl.codegen.plan import Plan
from neural_dsl.codegen.steps import (
    BlockUse,
    BranchesStep,
    CallStep,
    ResidualStep,
    Step,
    mask_readers,
    merged_streams,
)
from neural_dsl.codegen.templates import View
from neural_dsl.graph.nodes import Layer
from neural_dsl.graph.walk import reads_memory, wired


@dataclass
class Flow:
    """Where the value is: the variable to read, the one to write next, and, after
    several inputs or branches, one variable a stream. Streams merge into `home`. Where
    it `nests`, nothing is written: each call is the argument of the next."""

    read: str = "x"
    write: str = "x"
    streams: list[str] = field(default_factory=list)
    memory: str = ""
    home: str = "x"
    nests: bool = False


@dataclass
class ScopeWriter:
    """Collects the members (what the constructor makes) and the lines of one scope, and
    knows what stands in each variable.

    `masks` and `inputs` are the variables of those. `kept` are the variables of inputs
    that are read more than once: no step writes to them. `symbols` say what stands in for
    the sizes of a layer or block, by its id.
    """

    plan: Plan
    variables: Names
    masks: dict[Mask, str]
    inputs: Mapping[str, str]
    kept: Collection[str]
    inline: bool = False
    symbols: Mapping[int, Mapping[str, Symbol]] = field(default_factory=dict)
    show_shapes: bool = True
    members: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    depth: int = 0
    held: defaultdict[str, Held] = field(default_factory=lambda: defaultdict(Held))

    def steps(self, steps: tuple[Step, ...], flow: Flow) -> None:
        """Write the steps one after another; `flow` says where the value ends up."""
        for step in steps:
            match step:
                case CallStep(copies=(Layer() as layer, *_)):
                    self._layer(step, layer, flow)
                case CallStep(copies=(BlockUse() as use, *_)):
                    self._block(step, use, flow)
                case ResidualStep():
                    self._residual(step, flow)
                case BranchesStep():
                    self._branches(step, flow)

    def _layer(self, step: CallStep, layer: Layer, flow: Flow) -> None:
        view, several = self._view(layer), len(step.copies) > 1
        argument = self._argument(view, flow)
        joins = isinstance(argument, list)
        width = view.between(None if joins else self.held[flow.read].width)
        if several:
            argument = self._one_variable(flow)
        called = self._made(step, view)
        expression = view.template.call(view, called, argument)
        if expression == argument:
            return  # a linear activation does nothing
        if several and not called:
            self.say(f"for _ in range({len(step.copies)}):")
            self.depth += 1
        layout = view.layout if len(layer.output.shape) > 1 else "last"
        held = Held(layer.output, layout, width)
        self._put(flow, expression, held, layer.inputs[0])
        self.depth -= several

    def _argument(self, view: View, flow: Flow) -> str | list[str]:
        """What the layer is called with, in its layout; leaves the flow at one value."""
        layer, layout = view.layer, view.template.layout(view)
        read, memory = wired(layer, flow.streams or [flow.read], flow.memory or None)
        flow.memory = memory or ""
        if layer.spec.arity == "many":
            alike = {self.held[name].layout for name in read}
            view.layout = alike.pop() if layout == "any" and len(alike) == 1 else "last"
            flow.streams = []
            given = [self._arranged(name, view.layout) for name in read]
            flow.write = self._merged_name(flow)
            return given
        self._take_target(flow)
        view.layout = self.held[flow.read].layout if layout == "any" else layout
        self.arrange(flow, view.layout, layer.inputs[0])
        if reads_memory(layer):
            flow.memory = view.memory = self._arranged(flow.memory, "last")
        return flow.read

    def arrange(self, flow: Flow, layout: str, tensor: Tensor | None = None) -> None:
        """Give the value the order of axes that is wanted, where it has another."""
        flow.read = self._arranged(flow.read, layout, flow.write, tensor)

    def _arranged(
        self, name: str, layout: str, write: str = "", tensor: Tensor | None = None
    ) -> str:
        """The variable that has its axes in this order: itself, or `write` (by default
        its own name) after they were permuted."""
        held = self.held[name]
        if held.layout == layout:
            return name
        tensor = tensor or held.tensor
        assert tensor is not None, "only what was assigned has its channels first"
        text = self.plan.structure.permuted(name, len(tensor.shape) + 1, layout)
        self.assign(write or name, str(text).strip(), Held(tensor, layout))
        self.held[write or name].width = held.width
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

    def _block(self, step: CallStep, use: BlockUse, flow: Flow) -> None:
        several = len(step.copies) > 1
        if several:
            self._take_target(flow)
            self._one_variable(flow)
        if use.streams and flow.streams:
            given = [self._arranged(name, "last") for name in flow.streams]
            flow.write, flow.streams = self._merged_name(flow), []
        else:
            self._take_target(flow)
            self.arrange(flow, "last")
            given = [flow.read]
            if use.takes_memory:
                given.append(self._arranged(flow.memory, "last"))
        width = self.held[given[0]].width if use.block.keeps_width else None
        held = Held(use.node.output, width=width)
        given += [self.masks[mask] for mask in use.masks]
        given += [self.inputs[name] for name in dict.fromkeys(use.inputs)]
        expression = f"{self._made(step, use)}({', '.join(given)})"
        self._put(flow, expression, held, use.before)
        self.depth -= several

    def _residual(self, step: ResidualStep, flow: Flow) -> None:
        if merged_streams(step.steps):
            flow.read = flow.write = flow.streams[-1]  # the body merges them all
        else:
            self._take_target(flow)
        output = step.node.output
        if not self.inline and all(map(self._nests, step.steps)):
            self.arrange(flow, "last")
            body = Flow(flow.read, nests=True)
            self.steps(step.steps, body)
            held = replace(self.held[flow.read], tensor=output)
            self._put(flow, f"{flow.read} + {body.read}", held, output)
            return
        shortcut, copied = flow.read, flow.read == flow.write
        if copied:
            shortcut = self.variables.unique("residual")
            self._copy(shortcut, flow.read)
        self.steps(step.steps, flow)
        self.arrange(flow, self.held[shortcut].layout)
        held = replace(self.held[flow.read], tensor=output)
        name = self.plan.operations.names(step)[0] if self.inline else ""
        added = self.plan.structure.add_residual(shortcut, flow.read, name)
        self._put(flow, str(added).strip(), held, output)
        if copied:
            self.variables.taken.discard(shortcut)

    def _nests(self, step: Step) -> bool:
        """Whether the call of this step may be the argument of the next one's: it is one
        call, of one tensor with its features last, that says its argument once."""
        match step:
            case CallStep(copies=(BlockUse() as use,)):
                more = use.streams or use.takes_memory or use.masks or use.inputs
                return not more
            case CallStep(copies=(Layer() as layer,)):
                view = self._view(layer)
                is_plain = layer.spec.arity != "many" and not reads_memory(layer)
                is_last = view.template.layout(view) != "first" and view.rank <= 3
                return view.template.is_call and is_plain and is_last
        return False

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

    def say(self, statement: str) -> None:
        """Write a statement that is no assignment of a new value."""
        self.lines.append(Line(self.depth, "", statement))

    def assign(
        self, name: str, expression: str, held: Held, before: Tensor | None = None
    ) -> str:
        """Write `name = expression`; returns the name. Its shape is told where it is not
        that of `before`, the tensor that it was made from."""
        comment, shape = "", before and before.shape
        if self.show_shapes and held.tensor and held.tensor.shape != shape:
            comment = shape_comment(held.tensor, held.layout, held.width)
        self.held[name] = held
        self.lines.append(Line(self.depth, name, expression, comment))
        return name

    def _copy(self, name: str, other: str) -> None:
        self.say(f"{name} = {other}")
        self.held[name] = self.held[other]

    def _put(self, flow: Flow, code: str, held: Held, before: Tensor | None) -> None:
        """The value goes on as this expression: in a variable, unless the flow nests."""
        if flow.nests:
            flow.read, self.held[code] = code, held
        else:
            flow.read = self.assign(flow.write, code, held, before)

    def _one_variable(self, flow: Flow) -> str:
        """A loop reads and writes one variable: copy the value to it if need be."""
        if flow.read != flow.write:
            self._copy(flow.write, flow.read)
            flow.read = flow.write
        return flow.read

    def _made(self, step: CallStep, made: View | BlockUse) -> str:
        """Text of what is called: `self.dense`, a loop variable, or the constructor; empty
        where nothing is made. For several copies this opens the loop; the caller closes it.
        """
        plan, attr, copies = self.plan, step.attr, len(step.copies)
        name, over = "", ""
        if self.inline:
            name, over = numbered(plan.operations.names(step))
        elif plan.structure.names_members and (
            isinstance(made, BlockUse) or made.layer.weights
        ):
            # What Keras calls a member of a block: weights' paths are made of it.
            name = f'"{attr}"' if copies == 1 else f'f"{attr}_{{i}}"'
        if isinstance(made, View):
            made.name = name
            called = made.template.make(made)
        else:
            symbols = self.symbols.get(id(made), {})
            sizes = ((key, made.values[key]) for key in made.block.parameters)
            given = [f"{key}={symbols.get(key, value)!r}" for key, value in sizes]
            called = made.block.name
            called += f"({arguments([*given, name and f'name={name}'])})"
        if called and not self.inline:
            many = plan.structure.members(called, copies).strip()
            self.members.append(f"self.{attr} = {called if copies == 1 else many}")
            called = f"self.{attr}"
            if copies > 1:
                each = self.variables.unique(singular(attr))
                self.variables.taken.discard(each)  # free again after the loop
                called, over = each, f"{each} in self.{attr}"
        if called and copies > 1:
            self.say(f"for {over}:")
            self.depth += 1
        return called

    def _view(self, layer: Layer) -> View:
        """The layer as its template sees it; symbols stand in for its sizes."""
        symbols, reads = self.symbols.get(id(layer), {}), layer.inputs
        view = View(
            layer=layer,
            template=self.plan.templates.layer(layer),
            p={name: symbols.get(name, given) for name, given in layer.params.items()},
            d_in=symbols.get("d_in", reads[0].features),
            d_memory=symbols.get("d_memory", reads[-1].features),
            cls=self.plan.class_of.get(id(layer)),
            parts=self.plan.parts,
        )
        if layer.spec.reads_mask:
            mask, memory_mask = reads[0].mask, reads[-1].mask
            if mask is not None and mask_readers(layer)[0] is reads[0]:
                view.mask = self.masks[mask]
            if len(reads) > 1 and memory_mask is not None:
                view.memory_mask = self.masks[memory_mask]
        return view

    def finish(self, flow: Flow, result: str) -> list[str]:
        """The lines as code; the last value is returned or named `result`."""
        self.arrange(flow, "last")  # what leaves a scope has its features last
        last = self.lines[-1] if self.lines else None
        if last is None or last.depth or last.target != flow.read:
            self.say(flow.read)
            last = self.lines[-1]
        last.target = "" if result == "return" else result
        if result == "return":
            last.expression = f"return {last.expression}"
        return list(map(str, self.lines))
