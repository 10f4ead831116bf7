"""The layers of a network: macros expanded, repeats laid out, every layer checked. They
leave here without names: `naming` hands them out, over the whole network."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TypeAlias

from neural_dsl.catalogue import LAYERS, find_layer, layer_names, planned_layer
from neural_dsl.catalogue.merging import RESIDUAL_CONNECTION
from neural_dsl.catalogue.spec import LayerProblem
from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.nodes import Branch, Branches, MacroUse, Node, Repeat, Residual
from neural_dsl.resolve.layers import Flow, Made, Stream
from neural_dsl.resolve.macros import Row, Size, call_scope
from neural_dsl.resolve.remembering import Remembering, TooLarge
from neural_dsl.resolve.terms import UNKNOWN, At, Invalid, Scope, is_whole
from neural_dsl.resolve.values import evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

MAX_DEPTH = 64
"""Macro calls, blocks and branches inside one another (NE048)."""


Once: TypeAlias = Callable[[Flow], Made]


@dataclass
class LayerResolver(Remembering):
    """Resolves the statements of one network (or of a macro that nobody calls)."""

    def network(self, statements: Row) -> Made | None:
        """The layers of the network; None after reporting that it is too large."""
        streams = tuple(self.inputs.values())
        flow = Flow(streams or (Stream(None),), unknown=not streams)
        with suppress(TooLarge):
            return self.body(statements, flow, Scope())
        return None

    def body(self, statements: Row, flow: Flow, scope: Scope) -> Made:
        """Resolve statements in a row. Where something is searched, halves of the row are
        remembered, so that another value resolves anew only what it reaches."""
        count = len(statements)
        is_branch = [isinstance(each, syntax.BranchNode) for each in statements]
        if self.searches and count > 1 and not any(is_branch):
            nodes: tuple[Node, ...] = ()
            for half in (statements[: count // 2], statements[count // 2 :]):
                make = partial(self.body, half, flow, scope)
                told = scope.told(self.macros.names_in(half))
                what = told and (id(half[0]), len(half), told)
                made, flow = self.remembered(what, flow, half[0].span, make)
                nodes += made
            return nodes, flow
        row: list[Node] = []
        for _, alike in groupby(statements, type):
            several = list(alike)
            branches = [each for each in several if isinstance(each, syntax.BranchNode)]
            if branches:  # side by side
                made, flow = self._branches(branches, flow, scope)
                row.extend(made)
            for each in several:
                if not isinstance(each, syntax.BranchNode):
                    made, flow = self._statement(each, scope, flow)
                    row.extend(made)
        return tuple(row), flow

    # --- one statement: a group, a macro call, a residual block or a layer ------------

    def _statement(
        self, node: syntax.LayerNode | syntax.GroupNode, scope: Scope, flow: Flow
    ) -> Made:
        """`{ … } * n` or `Name(…) { … } @ device * n`."""
        times = self._times(node.repeat, scope)
        if isinstance(node, syntax.GroupNode):
            once: Once | None = partial(self._deeper, node.body, scope, node.span)
        else:
            once, stacked = self._prepared(node, scope)
            times *= stacked
        if once is None:
            return (), flow.lost()
        return self._repeated(once, times, node.span, flow)

    def _prepared(
        self, node: syntax.LayerNode, scope: Scope
    ) -> tuple[Once | None, int]:
        """What makes one copy of a macro, residual block or layer, None after reporting
        that nothing does; and how many copies its `num_layers` asks for."""
        name, place = node.name.text, node.name.span
        with suppress(Invalid):
            if node.device is not None:
                device = evaluate(node.device, At(self.findings, scope, "device"))
                shown = f"`{device}`" if isinstance(device, str) else "this device"
                message = f"the layer is not placed on {shown}: the whole model runs on one device"
                label, span = "not honoured", node.device.span
                help = "choose the device of the model with `execution { device: … }`"
                self.findings.warning("NW020", message, span, label, help)
        define, spec = self.macros.called(name, self.expanding), find_layer(name)
        if define is not None:
            inner = self._called(define, node, scope)
            once = partial(self._macro, define, node.span, inner) if inner else None
            return once, 1
        if spec is None:
            self._unknown(node.name)
        elif spec is not RESIDUAL_CONNECTION and node.body is not None:
            message = f"`{spec.name}` with a body of its own is not yet supported"
            help = f"a body is for `ResidualConnection {{ … }}`; where the braces hold layers of their own, put `;` before them: `{spec.name}(…); {{ … }}`"
            self.findings.error("NE049", message, place, "takes no `{ … }`", help)
        else:
            bound, given = self.bind(spec, node, scope)
            if spec is not RESIDUAL_CONNECTION:
                stacked = bound.values.get("num_layers")
                once = partial(self.layer, spec, node.span, bound, given)
                return once, stacked if isinstance(stacked, int) else 1
            if node.body:
                return partial(self._residual, node, given, scope), 1
            message = (
                "`ResidualConnection` needs a body: the layers that it goes around"
            )
            label = "no layers inside" if node.body is not None else "no `{ … }`"
            help = 'write `ResidualConnection { Dense(64, "relu") }`'
            self.findings.error("NE049", message, place, label, help)
        return None, 1

    def _times(self, repeat: syntax.Value | None, scope: Scope) -> int:
        """The number of copies; 1 after reporting a bad one."""
        if repeat is None:
            return 1
        try:
            value = evaluate(repeat, At(self.findings, scope, "repeat"))
        except Invalid:
            return 1
        if is_whole(value) and value >= 1:
            return int(value)
        if value is not UNKNOWN:
            message = "`*` repeats a layer a whole number of times, 1 or more"
            label, help = "not such a number", "write for instance `* 6`"
            self.findings.error("NE047", message, repeat.span, label, help)
        return 1

    def _unknown(self, given: syntax.Name) -> None:
        """Report a layer that is not built yet (NE022) or not known at all (NE020)."""
        planned, macros = planned_layer(given.text), self.macros.by_name
        built = (*LAYERS, RESIDUAL_CONNECTION.name)
        if planned is not None:
            code, message = "NE022", f"`{planned}` is not yet supported"
            help = "there are: " + ", ".join(f"`{each}`" for each in built)
            label = "known, but not built by this version"
        else:
            code, message = "NE020", f"unknown layer `{given.text}`"
            names, listed = [*macros, *layer_names()], [*macros, *built]
            help = did_you_mean(given.text, names, listed=listed)
            label = "no layer or macro of this name"
        self.findings.error(code, message, given.span, label, help)

    def _repeated(self, once: Once, times: int, span: Span, flow: Flow) -> Made:
        """`times` copies; a Repeat node when there are several.

        As soon as a copy leaves the flow as it found it, all further copies are equal to
        it (names aside), and are not resolved again.
        """
        copies: list[tuple[Node, ...]] = []
        errors, output = self.findings.errors, self.output
        while len(copies) < times:
            before, layers = flow, self.size.layers
            self.size += Size(0, 1)
            self.room(span)
            copy, flow = once(flow)
            if times == 1:
                return copy, flow
            flow = flow.behind(copy, before)
            copies.append(copy)
            if self.output is not None and self.output is not output:
                self.not_last(self.output, span, "is repeated")
            left, each = times - len(copies), self.size.layers - layers
            if self.findings.errors > errors:
                return (), flow
            self.room(span, Size(left * each))
            if flow == before:
                copies.extend([copy] * left)
                self.size += Size(left * each)
        return ((Repeat(tuple(copies), span),) if copies[0] else ()), flow

    # --- what goes around layers ------------------------------------------------------

    def _deeper(self, row: Row, scope: Scope, span: Span, flow: Flow) -> Made:
        """A body inside a body; refuses to go past MAX_DEPTH."""
        if self.depth >= MAX_DEPTH:
            message = f"blocks and macro calls are nested more than {MAX_DEPTH} deep"
            label = "one level too deep"
            help = "flatten the structure: a macro may hold the layers directly"
            self.findings.error("NE048", message, span, label, help)
            return (), flow.lost()
        self.depth += 1
        made = self.body(row, flow, scope)
        self.depth -= 1
        return made

    def _inside(
        self, row: Row | None, scope: Scope, span: Span, flow: Flow, what: str
    ) -> Made:
        """The body of a residual block or a branch, which cannot hold the `Output`."""
        before = self.output
        made = self._deeper(row or (), scope, span, flow)
        if self.output is not before and self.output is not None:
            self.not_last(self.output, span, f"is inside {what}")
        return made

    def _called(
        self, define: syntax.Define, node: syntax.LayerNode, scope: Scope
    ) -> Scope | None:
        """The scope of a macro's body for one call; None after reporting why there is
        none."""
        name, place, macros = define.name.text, node.name.span, self.macros
        macros.used.add(name)
        if name in self.expanding:
            start = self.expanding.index(name)
            cycle = " → ".join(f"`{each}`" for each in [*self.expanding[start:], name])
            message = f"the macro `{name}` contains itself"
            help = "a macro is pasted in where it is called, so it cannot call itself; repeat layers with `* n`"
            self.findings.error("NE045", message, place, cycle, help)
            return None
        if node.body is not None:
            message, label = f"the macro `{name}` takes no body", "called with `{ … }`"
            help = f"where the braces hold layers of their own, put `;` before them: `{name}(…); {{ … }}`"
            self.findings.error("NE049", message, place, label, help)
            return None
        least, span = macros.size(define), node.span  # before any of it is made
        if least.too_large:
            macros.used |= macros.counted  # one mistake, one error
            span = macros.excess(define)
        self.room(span, least)
        return call_scope(define, node, At(self.findings, scope))

    def _macro(
        self, define: syntax.Define, span: Span, scope: Scope, flow: Flow
    ) -> Made:
        self.findings.calls.append(span)
        told, reads = scope.told(scope.parameters), len(self.memory_reads)
        make = partial(self.expand, define, flow, scope)
        what = told and (scope.macro, told)
        body, after = self.remembered(what, flow, span, make)
        self.findings.calls.pop()
        after = after.behind(body, flow)
        if after.unknown or len(after.streams) != 1:
            return body, after
        tensor, inputs = after.streams[0].tensor, self._taken(flow, reads)
        if tensor is None or inputs is None:
            return (), after
        names = tuple(each.text for each in define.parameters)
        made = MacroUse(body, inputs, tensor, span, scope.macro, names, scope.passed)
        return (made,), after

    def expand(self, define: syntax.Define, flow: Flow, scope: Scope) -> Made:
        """The body of a macro in the scope of one call."""
        self.expanding.append(define.name.text)
        made = self._deeper(define.body, scope, define.name.span, flow)
        self.expanding.pop()
        return made

    def _residual(
        self, node: syntax.LayerNode, name: str, scope: Scope, flow: Flow
    ) -> Made:
        self.size += Size(1)
        place, what = node.name.span, "a residual block"
        reads = len(self.memory_reads)
        body, after = self._inside(node.body, scope, node.span, flow, what)
        skip, result = flow.streams[-1], after.streams[0]
        if after.unknown or flow.unknown:
            return (), after.lost()
        if len(after.streams) != 1:
            self.too_many(after, place, what)
            return (), after.lost()
        self.read(flow.streams)
        if skip.tensor is None or result.tensor is None:
            return (), after.lost()
        try:
            output = RESIDUAL_CONNECTION.output({}, (result.tensor, skip.tensor))
        except LayerProblem as problem:
            self.findings.problem(problem, {}, place)
            return (), after.lost()
        inputs = self._taken(flow, reads) or (skip.tensor,)
        lost = tuple(dict.fromkeys((*result.lost_mask, *skip.lost_mask)))
        made = Residual(body, inputs, output, node.span, name)
        return (made,), after.through(Stream(output, lost_mask=lost))

    def _taken(self, flow: Flow, reads: int) -> tuple[Tensor, ...] | None:
        """What a block took from `flow`, as a Layer's inputs say it: (target, memory) if
        something inside read the memory since `reads`; None if a shape is unknown."""
        memory = flow.streams[0] if len(flow.streams) > 1 else flow.memory
        read = any(each is memory for each in self.memory_reads[reads:])
        streams = (flow.streams[-1], memory) if memory and read else flow.streams
        tensors = tuple(each.tensor for each in streams if each.tensor is not None)
        return tensors if len(tensors) == len(streams) else None

    def _branches(self, run: list[syntax.BranchNode], flow: Flow, scope: Scope) -> Made:
        branches: list[Branch] = []
        streams: list[Stream] = []
        names: dict[str, Span] = {}
        for node in run:
            name, place = node.name.text, node.name.span
            if names.setdefault(name, place) != place:
                message = f"two branches are named `{name}`"
                help = "give each branch a name of its own"
                self.findings.again("NE053", message, place, names[name], help)
            start, source = self._start(node.name, flow)
            body, after = self._inside(node.body, scope, node.span, start, "a branch")
            if not after.unknown and len(after.streams) != 1:
                self.too_many(after, place, f"the end of branch `{name}`")
                after = after.lost()
            result = after.streams[0]
            streams.append(Stream(result.tensor, name, lost_mask=result.lost_mask))
            if not node.body:
                self.read(start.streams)
            if result.tensor is not None:
                branches.append(Branch(name, source, body, result.tensor, node.span))
        whole = len(branches) == len(run)
        computed = not flow.unknown and any(not each.input for each in flow.streams)
        if whole and computed and all(branch.input for branch in branches):
            message = "these branches read the inputs, so what the layers before them give is lost"
            label = "nothing reads the tensor before the branches"
            help = "move those layers into a branch, or remove them"
            self.findings.error("NE038", message, run[0].name.span, label, help)
        if len(streams) == 1:
            streams = [replace(streams[0], name="")]
        made = Branches(tuple(branches), run[0].span.to(run[-1].span))
        return ((made,) if whole else ()), Flow(tuple(streams), flow.memory)

    def _start(self, branch: syntax.Name, flow: Flow) -> tuple[Flow, str | None]:
        """What a branch reads: the input of its name, else the one current tensor."""
        name = branch.text
        if name in self.inputs:
            return Flow((self.inputs[name],), flow.memory), name
        if flow.unknown or len(flow.streams) == 1:
            return flow, None
        message = f"the branch `{name}` has nothing to read"
        label, help = "no input has this name", did_you_mean(name, self.inputs)
        self.findings.error("NE037", message, branch.span, label, help)
        return flow.lost(), None
