"""What goes around layers: macro calls, residual blocks and branches.

`Blocks` resolves each of them around a body; `structure.LayerResolver` resolves bodies.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from neural_dsl.catalogue import find_layer
from neural_dsl.catalogue.merging import RESIDUAL_CONNECTION
from neural_dsl.catalogue.spec import LayerProblem
from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.nodes import Branch, Branches, MacroUse, Node, Residual
from neural_dsl.resolve.flow import Flow, Stream
from neural_dsl.resolve.layers import MAX_LAYERS, SingleLayers
from neural_dsl.resolve.macros import call_scope
from neural_dsl.resolve.mistakes import output_not_last, several_tensors
from neural_dsl.resolve.sizes import Size
from neural_dsl.resolve.terms import CallValue, Scope
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

MAX_DEPTH = 64
"""Macro calls, blocks and branches inside one another (NE048)."""


@dataclass
class Blocks(SingleLayers):
    """Resolves blocks; what stands inside is resolved by `body`."""

    @abstractmethod
    def body(
        self, statements: Sequence[syntax.Statement], flow: Flow, scope: Scope
    ) -> tuple[list[Node], Flow]:
        """Resolve statements in a row."""

    def _deeper(
        self,
        statements: Sequence[syntax.Statement],
        flow: Flow,
        scope: Scope,
        span: Span,
    ) -> tuple[list[Node], Flow]:
        """A body inside a body; refuses to go past MAX_DEPTH."""
        if self._depth >= MAX_DEPTH:
            message = f"blocks and macro calls are nested more than {MAX_DEPTH} deep"
            help = "flatten the structure: a macro may hold the layers directly"
            self.findings.error("NE048", message, span, "one level too deep", help)
            return [], flow.lost()
        self._depth += 1
        try:
            return self.body(statements, flow, scope)
        finally:
            self._depth -= 1

    def _inside(
        self,
        node: syntax.LayerNode | syntax.BranchNode,
        flow: Flow,
        scope: Scope,
        what: str,
    ) -> tuple[tuple[Node, ...], Flow]:
        """The body of a residual block or a branch, which cannot hold the `Output`."""
        before = self.output
        body, after = self._deeper(node.body or (), flow, scope, node.span)
        if self.output is not before and self.output is not None:
            output_not_last(self.output, node.span, self.findings, f"is inside {what}")
        return tuple(body), after

    def _macro(
        self,
        define: syntax.Define,
        node: syntax.LayerNode,
        flow: Flow,
        scope: Scope,
        nodes: list[Node],
    ) -> Flow:
        name = define.name.text
        self.used_macros.add(name)
        if not self._callable(define, node):
            return flow.lost()
        least, span = self._sizes.of(define), node.span  # before any of it is made
        if least.most > MAX_LAYERS:
            self.used_macros.update(self._sizes.counted)  # one mistake, one error
            span = self._sizes.excess(define, MAX_LAYERS)
        self._room(span, least)
        key = (id(node), id(scope))
        if key not in self._scopes:
            self._scopes[key] = call_scope(define, node, scope, self.findings)
            self._alive.append(scope)
        inner = self._scopes[key]
        if inner is None:
            return flow.lost()
        self.findings.calls.append(node.span)
        reads = len(self._memory_reads)
        body, after = self._expanded(define, flow, inner, node.span)
        self.findings.calls.pop()
        after = after.behind(body, flow)
        if after.unknown or len(after.streams) != 1:
            nodes.extend(body)
            return after
        tensor = after.streams[0].tensor
        inputs = self._taken(flow, reads)
        if tensor is not None and inputs is not None:
            names, passed = tuple(each.text for each in define.parameters), inner.passed
            use = MacroUse(body, inputs, tensor, node.span, name, names, passed)
            nodes.append(use)
        return after

    def _expanded(
        self, define: syntax.Define, flow: Flow, scope: Scope, span: Span
    ) -> tuple[tuple[Node, ...], Flow]:
        """The body of a call. A call like one before, on a tensor like the one before, is
        not resolved again: but for names, which come later, it gives the same nodes."""
        key = self._like(define, flow, scope)
        if key in self._expansions:
            body, after, size = self._expansions[key]
            self.count += size.layers
            self._steps += size.steps
            self._room(span, Size())
            return body, after
        before = Size(self.count, self._steps)
        errors, output = self.findings.errors, self.output
        nodes, after = self.expand(define, flow, scope)
        body = tuple(nodes)
        if key and self.findings.errors == errors and self.output is output:
            size = Size(self.count, self._steps) - before
            self._expansions[key] = (body, after, size)
        return body, after

    def _like(
        self, define: syntax.Define, flow: Flow, scope: Scope
    ) -> tuple[object, ...]:
        """All that the expansion of a macro depends on; empty where it may depend on more
        (a memory, calls among the arguments) and must be made anew."""
        values = scope.parameters.values()
        calls = any(isinstance(value, CallValue | dict) for value in values)
        if calls or len(flow.streams) > 1 or flow.memory is not None:
            return ()
        stream = flow.streams[0]
        shadowing = frozenset(name for name in self._expanding if find_layer(name))
        return (
            define.name.text,
            repr(list(values)),
            (stream.tensor, stream.name, stream.input, stream.lost_mask),
            flow.unknown,
            shadowing,
            self._depth,
        )

    def expand(
        self, define: syntax.Define, flow: Flow, scope: Scope
    ) -> tuple[list[Node], Flow]:
        """The body of a macro in the scope of one call."""
        self._expanding.append(define.name.text)
        try:
            return self._deeper(define.body, flow, scope, define.name.span)
        finally:
            self._expanding.pop()

    def _callable(self, define: syntax.Define, node: syntax.LayerNode) -> bool:
        """Whether this call can be expanded; reports NE045, NE049 and NE058."""
        name = define.name.text
        if name in self._expanding:
            start = self._expanding.index(name)
            cycle = " → ".join(f"`{each}`" for each in [*self._expanding[start:], name])
            message = f"the macro `{name}` contains itself"
            help = (
                "a macro is pasted in where it is called, so it cannot call itself; "
                "repeat layers with `* n`"
            )
            self.findings.error("NE045", message, node.name.span, cycle, help)
            return False
        if node.body is not None:
            message = f"the macro `{name}` takes no body"
            help = (
                "where the braces hold layers of their own, put `;` before them: "
                f"`{name}(…); {{ … }}`"
            )
            label = "called with `{ … }`"
            self.findings.error("NE049", message, node.name.span, label, help)
            return False
        return True

    def _residual(
        self, node: syntax.LayerNode, flow: Flow, scope: Scope, nodes: list[Node]
    ) -> Flow:
        _, name = self._bind(RESIDUAL_CONNECTION, node, scope)
        self.count += 1
        if not node.body:
            label = "no layers inside" if node.body is not None else "no `{ … }`"
            message = (
                "`ResidualConnection` needs a body: the layers that it goes around"
            )
            help = 'write `ResidualConnection { Dense(64, "relu") }`'
            self.findings.error("NE049", message, node.name.span, label, help)
            return flow.lost()
        reads = len(self._memory_reads)
        body, after = self._inside(node, flow, scope, "a residual block")
        skip = flow.streams[-1]
        if after.unknown or flow.unknown:
            return after.lost()
        if len(after.streams) != 1:
            several_tensors(after, node.name.span, self.findings, "a residual block")
            return after.lost()
        result = after.streams[0]
        self._read(flow.streams)
        if skip.tensor is None or result.tensor is None:
            return after.lost()
        try:
            output = RESIDUAL_CONNECTION.output({}, (result.tensor, skip.tensor))
        except LayerProblem as problem:
            self.findings.problem(problem, {}, node.name.span)
            return after.lost()
        inputs = self._taken(flow, reads) or (skip.tensor,)
        nodes.append(Residual(body, inputs, output, node.span, name))
        lost = tuple(dict.fromkeys((*result.lost_mask, *skip.lost_mask)))
        return after.through(Stream(output, lost_mask=lost))

    def _taken(self, flow: Flow, reads: int) -> tuple[Tensor, ...] | None:
        """What a block took from `flow`, as a Layer's inputs say it: (target, memory) if
        something inside read the memory since `reads`; None if a shape is unknown."""
        memory = flow.streams[0] if len(flow.streams) > 1 else flow.memory
        read = any(each is memory for each in self._memory_reads[reads:])
        streams = (flow.streams[-1], memory) if memory and read else flow.streams
        tensors = tuple(each.tensor for each in streams if each.tensor is not None)
        return tensors if len(tensors) == len(streams) else None

    def _branches(
        self, run: list[syntax.BranchNode], flow: Flow, scope: Scope, nodes: list[Node]
    ) -> Flow:
        branches: list[Branch] = []
        streams: list[Stream] = []
        names: dict[str, Span] = {}
        for node in run:
            name = node.name.text
            if name in names:
                message = f"two branches are named `{name}`"
                help = "give each branch a name of its own"
                first = names[name]
                self.findings.again("NE053", message, node.name.span, first, help)
            names.setdefault(name, node.name.span)
            start, source = self._branch_start(node, flow)
            body, after = self._inside(node, start, scope, "a branch")
            if not after.unknown and len(after.streams) != 1:
                end = f"the end of branch `{name}`"
                several_tensors(after, node.name.span, self.findings, end)
                after = after.lost()
            result = after.streams[0]
            streams.append(Stream(result.tensor, name, lost_mask=result.lost_mask))
            if not node.body:
                self._read(start.streams)
            if result.tensor is not None:
                branches.append(Branch(name, source, body, result.tensor, node.span))
        self._left_behind(run, flow, [branch.input for branch in branches])
        if len(branches) == len(run):
            nodes.append(Branches(tuple(branches), run[0].span.to(run[-1].span)))
        if len(streams) == 1:
            streams = [replace(streams[0], name="")]
        return Flow(tuple(streams), flow.memory)

    def _branch_start(
        self, node: syntax.BranchNode, flow: Flow
    ) -> tuple[Flow, str | None]:
        """What a branch reads: the input of its name, else the one current tensor."""
        name = node.name.text
        if name in self.inputs:
            return Flow((self.inputs[name],), flow.memory), name
        if flow.unknown or len(flow.streams) == 1:
            return flow, None
        message = f"the branch `{name}` has nothing to read"
        help = did_you_mean(name, self.inputs)
        label = "no input has this name"
        self.findings.error("NE037", message, node.name.span, label, help)
        return flow.lost(), None

    def _left_behind(
        self, run: list[syntax.BranchNode], flow: Flow, sources: list[str | None]
    ) -> None:
        """Refuse branches that all start at inputs and so drop what was computed."""
        computed = any(not stream.input for stream in flow.streams)
        if flow.unknown or not computed or len(sources) < len(run):
            return
        if None not in sources:
            message = "these branches read the inputs, so what the layers before them give is lost"
            label = "nothing reads the tensor before the branches"
            help = "move those layers into a branch, or remove them"
            self.findings.error("NE038", message, run[0].name.span, label, help)
