"""The layers of a network: macros expanded, repeats laid out, every layer checked.

`LayerResolver.body` walks statements with a `Flow` of tensors and gives nodes of the
model graph. Layers leave here without canonical names; `naming` hands them out, because
a name depends on how many of a kind the whole network has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from neural_dsl.catalogue import LAYERS, find_layer, layer_names, planned_layer
from neural_dsl.catalogue.merging import RESIDUAL_CONNECTION
from neural_dsl.catalogue.shapes import check_inputs
from neural_dsl.catalogue.spec import LayerProblem, LayerSpec
from neural_dsl.catalogue.tensors import Attention, Tensor, Weight
from neural_dsl.ir.arguments import Binder, Bound
from neural_dsl.ir.findings import Findings
from neural_dsl.ir.flow import Flow, Stream
from neural_dsl.ir.macros import Macros, call_scope
from neural_dsl.ir.nodes import (
    Branch,
    Branches,
    Layer,
    MacroUse,
    Node,
    Repeat,
    Residual,
)
from neural_dsl.ir.suggestions import did_you_mean
from neural_dsl.ir.values import UNKNOWN, Invalid, Place, Scope, evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

MAX_LAYERS = 250_000
"""Layers of one expanded network; a file that asks for more is refused (NE048). As many
steps of expansion are taken at most, so that macros without layers come to an end too."""

MAX_DEPTH = 64
"""Macro calls, blocks and branches inside one another (NE048)."""

BUILT = (*LAYERS, RESIDUAL_CONNECTION.name)
"""What is listed where a layer is unknown."""

Rules = tuple[dict[str, Any], Tensor, tuple[Weight, ...], tuple[Attention, ...]]


class TooLarge(Exception):
    """The network cannot be expanded; NE048 has been reported."""


@dataclass
class LayerResolver:
    """Resolves the statements of one network (or of a macro that nobody calls)."""

    macros: Macros
    inputs: dict[str, Stream]
    findings: Findings
    vocabulary: dict[str, int] = field(default_factory=dict)
    used_inputs: set[str] = field(default_factory=set)
    used_macros: set[str] = field(default_factory=set)
    output: Layer | None = None
    count: int = 0
    _expanding: list[str] = field(default_factory=list)
    _depth: int = 0
    _steps: int = 0
    _memory_reads: list[Stream] = field(default_factory=list)
    _scopes: dict[tuple[int, int], Scope | None] = field(default_factory=dict)
    _bound: dict[tuple[int, int], tuple[Bound, str]] = field(default_factory=dict)
    _rules: dict[tuple[object, ...], Rules] = field(default_factory=dict)
    _alive: list[object] = field(default_factory=list)

    # --- statements -----------------------------------------------------------------

    def body(
        self, statements: Sequence[syntax.Statement], flow: Flow, scope: Scope
    ) -> tuple[list[Node], Flow]:
        """Resolve statements in a row."""
        nodes: list[Node] = []
        position = 0
        while position < len(statements):
            statement = statements[position]
            if isinstance(statement, syntax.BranchNode):
                run = [statement]
                for following in statements[position + 1 :]:
                    if not isinstance(following, syntax.BranchNode):
                        break
                    run.append(following)
                flow = self._branches(run, flow, scope, nodes)
                position += len(run)
                continue
            position += 1
            if isinstance(statement, syntax.GroupNode):
                times = self._times(statement.repeat, scope)
                flow = self._repeated(statement, times, flow, scope, nodes)
            else:
                flow = self._named(statement, flow, scope, nodes)
        return nodes, flow

    def _named(
        self, node: syntax.LayerNode, flow: Flow, scope: Scope, nodes: list[Node]
    ) -> Flow:
        """One `Name(…) { … } @ device * n`: a macro call, a residual block or a layer."""
        if node.device is not None:
            self._device(node.device, scope)
        times = self._times(node.repeat, scope)
        name = node.name.text
        define = self.macros.find(name)
        spec = find_layer(name)
        if define is not None and not (
            spec is not None and define.name.text in self._expanding
        ):
            return self._repeated(node, times, flow, scope, nodes)
        if spec is None:
            self._unknown_layer(node)
            return flow.lost()
        if spec is RESIDUAL_CONNECTION:
            return self._repeated(node, times, flow, scope, nodes)
        if node.body is not None:
            self.findings.error(
                "NE049",
                f"`{spec.name}` with a body of its own is not yet supported",
                node.name.span,
                label="takes no `{ … }`",
                help="write the layers one after another; a body is for "
                "`ResidualConnection { … }`",
            )
            return flow.lost()
        bound, _ = self._bind(spec, node, scope)
        times *= _stacked(bound)
        return self._repeated(node, times, flow, scope, nodes)

    def _once(
        self,
        statement: syntax.LayerNode | syntax.GroupNode,
        flow: Flow,
        scope: Scope,
        nodes: list[Node],
    ) -> Flow:
        """One copy of a statement, its `* n` aside."""
        self._steps += 1
        self._room(max(self._steps, self.count), statement.span)
        if isinstance(statement, syntax.GroupNode):
            inner, flow = self._deeper(statement.body, flow, scope, statement.span)
            nodes.extend(inner)
            return flow
        define = self.macros.find(statement.name.text)
        spec = find_layer(statement.name.text)
        if define is not None and not (
            spec is not None and define.name.text in self._expanding
        ):
            return self._macro(define, statement, flow, scope, nodes)
        assert spec is not None
        if spec is RESIDUAL_CONNECTION:
            return self._residual(statement, flow, scope, nodes)
        return self._layer(spec, statement, flow, scope, nodes)

    # --- repetition -----------------------------------------------------------------

    def _times(self, repeat: syntax.Value | None, scope: Scope) -> int:
        """The number of copies; 1 after reporting a bad one."""
        if repeat is None:
            return 1
        try:
            value = evaluate(repeat, scope, Place("repeat"), self.findings)
        except Invalid:
            return 1
        if value is UNKNOWN:
            return 1
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.findings.error(
                "NE047",
                "`*` repeats a layer a whole number of times, 1 or more",
                repeat.span,
                label="not such a number",
                help="write for instance `* 6`",
            )
            return 1
        return value

    def _repeated(
        self,
        statement: syntax.LayerNode | syntax.GroupNode,
        times: int,
        flow: Flow,
        scope: Scope,
        nodes: list[Node],
    ) -> Flow:
        """`times` copies; a Repeat node when there are several.

        As soon as a copy leaves the flow as it found it, all further copies are equal to
        it (names aside), and are not resolved again.
        """
        if times == 1:
            return self._once(statement, flow, scope, nodes)
        copies: list[tuple[Node, ...]] = []
        errors, output = self.findings.errors, self.output
        while len(copies) < times:
            before, counted, copy = flow, self.count, list[Node]()
            flow = self._once(statement, flow, scope, copy)
            copies.append(tuple(copy))
            if self.output is not None and self.output is not output:
                self._output_not_last(self.output, statement.span, "is repeated")
            left, each = times - len(copies), self.count - counted
            if self.findings.errors > errors:
                return flow
            self._room(self.count + left * each, statement.span)
            if flow.alike(before):
                copies.extend([copies[-1]] * left)
                self.count += left * each
        if copies[0]:
            nodes.append(Repeat(tuple(copies), statement.span))
        return flow

    def _room(self, wanted: int, span: Span) -> None:
        """Report NE048 and raise TooLarge when `wanted` layers or steps are too many."""
        if wanted <= MAX_LAYERS:
            return
        self.findings.error(
            "NE048",
            f"the network has more than {MAX_LAYERS:,} layers once it is expanded",
            span,
            label="too many copies",
            help="repeat less; no machine can run so many layers",
        )
        raise TooLarge

    # --- structure ------------------------------------------------------------------

    def _deeper(
        self,
        statements: Sequence[syntax.Statement],
        flow: Flow,
        scope: Scope,
        span: Span,
    ) -> tuple[list[Node], Flow]:
        """A body inside a body; refuses to go past MAX_DEPTH."""
        if self._depth >= MAX_DEPTH:
            self.findings.error(
                "NE048",
                f"blocks and macro calls are nested more than {MAX_DEPTH} deep",
                span,
                label="one level too deep",
                help="flatten the structure: a macro may hold the layers directly",
            )
            return [], flow.lost()
        self._depth += 1
        try:
            return self.body(statements, flow, scope)
        finally:
            self._depth -= 1

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
        key = (id(node), id(scope))
        if key not in self._scopes:
            self._scopes[key] = call_scope(define, node, scope, self.findings)
            self._alive.append(scope)
        inner = self._scopes[key]
        if inner is None:
            return flow.lost()
        self.findings.calls.append(node.span)
        reads = len(self._memory_reads)
        body, after = self.expand(define, flow, inner)
        self.findings.calls.pop()
        if after.unknown or len(after.streams) != 1:
            nodes.extend(body)
            return after
        tensor = after.streams[0].tensor
        inputs = self._taken(flow, reads)
        if tensor is not None and inputs is not None:
            nodes.append(MacroUse(name, tuple(body), inputs, tensor, node.span))
        return after

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
            self.findings.error(
                "NE045",
                f"the macro `{name}` contains itself",
                node.name.span,
                label=cycle,
                help="a macro is pasted in where it is called, so it cannot call itself; "
                "repeat layers with `* n`",
            )
            return False
        if node.body is not None:
            self.findings.error(
                "NE049",
                f"the macro `{name}` takes no body",
                node.name.span,
                label="called with `{ … }`",
                help="write the layers after the call",
            )
            return False
        return True

    def _residual(
        self, node: syntax.LayerNode, flow: Flow, scope: Scope, nodes: list[Node]
    ) -> Flow:
        _, name = self._bind(RESIDUAL_CONNECTION, node, scope)
        self.count += 1
        if not node.body:
            self.findings.error(
                "NE049",
                "`ResidualConnection` needs a body: the layers that it goes around",
                node.name.span,
                label="no layers inside" if node.body is not None else "no `{ … }`",
                help='write `ResidualConnection { Dense(64, "relu") }`',
            )
            return flow.lost()
        reads = len(self._memory_reads)
        before = self.output
        body, after = self._deeper(node.body, flow, scope, node.span)
        if self.output is not before and self.output is not None:
            self._output_not_last(self.output, node.span, "is inside a residual block")
        skip = flow.streams[-1]
        if after.unknown or flow.unknown:
            return after.lost()
        if len(after.streams) != 1:
            self._several(after, node.name.span, "a residual block")
            return after.lost()
        result = after.streams[0]
        self._read(flow.streams)
        if skip.tensor is None or result.tensor is None:
            return after.lost()
        try:
            output = RESIDUAL_CONNECTION.output({}, (result.tensor, skip.tensor))
        except LayerProblem as problem:
            self._problem(problem, node, {})
            return after.lost()
        inputs = self._taken(flow, reads) or (skip.tensor,)
        nodes.append(Residual(name, tuple(body), inputs, output, node.span))
        lost = tuple(dict.fromkeys((*result.lost_mask, *skip.lost_mask)))
        return after.through(Stream(output, lost_mask=lost))

    def _taken(self, flow: Flow, reads: int) -> tuple[Tensor, ...] | None:
        """What a block took from `flow`, as a Layer's inputs say it: (target, memory) if
        something inside read the memory since `reads`; None if a shape is unknown."""
        memory = flow.streams[0] if len(flow.streams) > 1 else flow.memory
        streams = flow.streams
        if memory is not None and any(
            read is memory for read in self._memory_reads[reads:]
        ):
            streams = (flow.streams[-1], memory)
        tensors = tuple(stream.tensor for stream in streams)
        if any(tensor is None for tensor in tensors):
            return None
        return tensors  # type: ignore[return-value]

    def _branches(
        self,
        run: list[syntax.BranchNode],
        flow: Flow,
        scope: Scope,
        nodes: list[Node],
    ) -> Flow:
        branches: list[Branch] = []
        streams: list[Stream] = []
        names: dict[str, Span] = {}
        for node in run:
            name = node.name.text
            if name in names:
                self.findings.error(
                    "NE053",
                    f"two branches are named `{name}`",
                    node.name.span,
                    label="the same name again",
                    help="give each branch a name of its own",
                )
            names[name] = node.name.span
            start, source = self._branch_start(node, flow)
            before = self.output
            body, after = self._deeper(node.body, start, scope, node.span)
            if self.output is not before and self.output is not None:
                self._output_not_last(self.output, node.span, "is inside a branch")
            if not after.unknown and len(after.streams) != 1:
                self._several(after, node.name.span, f"the end of branch `{name}`")
                after = after.lost()
            result = after.streams[0]
            streams.append(Stream(result.tensor, name, lost_mask=result.lost_mask))
            if not node.body:
                self._read(start.streams)
            if result.tensor is not None:
                span = node.span
                branches.append(Branch(name, source, tuple(body), result.tensor, span))
        self._left_behind(run, flow, [branch.input for branch in branches])
        if len(branches) == len(run):
            span = run[0].span.to(run[-1].span)
            nodes.append(Branches(tuple(branches), span))
        if len(streams) == 1:
            streams = [Stream(streams[0].tensor, lost_mask=streams[0].lost_mask)]
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
        self.findings.error(
            "NE037",
            f"the branch `{name}` has nothing to read",
            node.name.span,
            label="no input has this name",
            help=did_you_mean(name, self.inputs),
        )
        return flow.lost(), None

    def _left_behind(
        self,
        run: list[syntax.BranchNode],
        flow: Flow,
        sources: list[str | None],
    ) -> None:
        """Refuse branches that all start at inputs and so drop what was computed."""
        computed = [stream for stream in flow.streams if not stream.input]
        if flow.unknown or not computed or len(sources) < len(run):
            return
        if all(source is not None for source in sources):
            self.findings.error(
                "NE038",
                "these branches read the inputs, so what the layers before them give is "
                "lost",
                run[0].name.span,
                label="nothing reads the tensor before the branches",
                help="move those layers into a branch, or remove them",
            )

    # --- one layer ------------------------------------------------------------------

    def _bind(
        self, spec: LayerSpec, node: syntax.LayerNode, scope: Scope
    ) -> tuple[Bound, str]:
        """The checked arguments and the given name (""), worked out once per call."""
        key = (id(node), id(scope))
        found = self._bound.get(key)
        if found is None:
            arguments, name = self._given_name(node.arguments or (), scope)
            binder = Binder(spec.name, spec.parameters, self.findings)
            place = Place("", self.count)
            bound = binder.bind(arguments, node.name.span, scope, place)
            found = self._bound[key] = (bound, name)
            self._alive.append(scope)
        return found

    def _given_name(
        self, arguments: Sequence[syntax.Argument], scope: Scope
    ) -> tuple[list[syntax.Argument], str]:
        """The other arguments, and the value of `name="…"` ("" without or when bad)."""
        from neural_dsl.ir.naming import check_name

        others: list[syntax.Argument] = []
        name = ""
        for argument in arguments:
            if argument.name is None or argument.name.text.lower() != "name":
                others.append(argument)
                continue
            try:
                value = evaluate(argument.value, scope, Place("name"), self.findings)
            except Invalid:
                continue
            if value is not UNKNOWN:
                name = check_name(value, argument.value.span, self.findings)
        return others, name

    def _layer(
        self,
        spec: LayerSpec,
        node: syntax.LayerNode,
        flow: Flow,
        scope: Scope,
        nodes: list[Node],
    ) -> Flow:
        bound, name = self._bind(spec, node, scope)
        self.count += 1
        if self.output is not None:
            after = f"`{spec.name}` comes after it"
            self._output_not_last(self.output, node.name.span, after)
        taken = None if flow.unknown else self._take(spec, bound, node, flow)
        if taken is None or not bound.ok or not bound.known:
            return flow.lost()
        self._read(taken)
        self._warn_of_lost_masks(spec, taken)
        tensors = tuple(stream.tensor for stream in taken)
        rules = self._apply(spec, bound, tensors, node)
        if rules is None:
            return flow.lost()
        params, output, weights, attentions = rules
        layer = Layer(
            spec,
            name,
            bool(name),
            params,
            tensors,  # type: ignore[arg-type]
            output,
            weights,
            attentions,
            node.span,
        )
        nodes.append(layer)
        if spec.name == "Output":
            self.output = layer
        self._vocabulary(layer)
        memory = taken[1] if spec.arity == "target" and len(taken) > 1 else None
        if memory is not None:
            self._memory_reads.append(memory)
        return flow.through(Stream(output, lost_mask=_lost(layer, taken)), memory)

    def _take(
        self, spec: LayerSpec, bound: Bound, node: syntax.LayerNode, flow: Flow
    ) -> tuple[Stream, ...] | None:
        """The streams that a layer reads, memory last; None after reporting a misfit."""
        streams, span = flow.streams, node.name.span
        if spec.arity == "many":
            if len(streams) > 1:
                return streams
            self.findings.error(
                "NE031",
                f"`{spec.name}` joins several tensors, but only one arrives here",
                span,
                label="one input",
                help=f"put branches before it: `a: {{ … }} b: {{ … }} {spec.name}()`; "
                "around one path, use `ResidualConnection { … }`",
            )
            return None
        reads_memory = spec.arity == "target" and (
            bound.values.get("mode", "cross") == "cross"
        )
        if reads_memory and len(streams) == 2:
            return (streams[1], streams[0])
        if reads_memory and len(streams) == 1 and flow.memory is not None:
            return (streams[0], flow.memory)
        if len(streams) == 1:
            return streams
        self._several(flow, span, f"`{spec.name}`", "two" if reads_memory else "one")
        return None

    def _apply(
        self,
        spec: LayerSpec,
        bound: Bound,
        tensors: tuple[Tensor | None, ...],
        node: syntax.LayerNode,
    ) -> Rules | None:
        """The layer's rules on its inputs; None after reporting, or without shapes."""
        inputs = tuple(tensor for tensor in tensors if tensor is not None)
        if len(inputs) < len(tensors):
            return None
        given = {k: v for k, v in bound.values.items() if k != "num_layers"}
        key = (spec.name, tuple(given.values()), inputs)
        found = self._rules.get(key)
        if found is not None:
            return found
        try:
            check_inputs(spec, inputs)
            params = dict(spec.complete(given, inputs))
            found = (
                params,
                spec.output(params, inputs),
                spec.weights(params, inputs),
                spec.attentions(params, inputs),
            )
        except LayerProblem as problem:
            self._problem(problem, node, bound.spans)
            return None
        self._rules[key] = found
        return found

    def _vocabulary(self, layer: Layer) -> None:
        """Remember how many ids the input of an Embedding may hold."""
        if layer.spec.reads == "ids":
            source, size = layer.inputs[0].source, layer.params["input_dim"]
            self.vocabulary[source] = min(self.vocabulary.get(source, size), size)

    def _read(self, streams: Iterable[Stream]) -> None:
        self.used_inputs.update(stream.name for stream in streams if stream.input)

    def _warn_of_lost_masks(self, spec: LayerSpec, taken: tuple[Stream, ...]) -> None:
        if not spec.reads_mask:
            return
        for span in (span for stream in taken for span in stream.lost_mask):
            self.findings.warning(
                "NW023",
                f"padding is visible to `{spec.name}` after this layer",
                span,
                label="the padding mask ends here",
                help="positions change here, so the mask of `mask_zero=true` no longer "
                "fits; keep the length, or attend before this layer",
            )

    # --- what goes wrong ------------------------------------------------------------

    def _device(self, device: syntax.Value, scope: Scope) -> None:
        try:
            value = evaluate(device, scope, Place("device"), self.findings)
        except Invalid:
            return
        shown = f"`{value}`" if isinstance(value, str) else "this device"
        self.findings.warning(
            "NW020",
            f"the layer is not placed on {shown}: the whole model runs on one device",
            device.span,
            label="not honoured",
            help="choose the device of the model with `execution { device: … }`",
        )

    def _unknown_layer(self, node: syntax.LayerNode) -> None:
        name = node.name.text
        planned = planned_layer(name)
        if planned is not None:
            self.findings.error(
                "NE022",
                f"`{planned}` is not yet supported",
                node.name.span,
                label="known, but not built by this version",
                help="there are: " + ", ".join(f"`{each}`" for each in BUILT),
            )
            return
        self.findings.error(
            "NE020",
            f"unknown layer `{name}`",
            node.name.span,
            label="no layer or macro of this name",
            help=did_you_mean(
                name,
                [*self.macros.by_name, *layer_names()],
                listed=[*self.macros.by_name, *BUILT],
            ),
        )

    def _several(self, flow: Flow, span: Span, what: str, takes: str = "one") -> None:
        names = [f"`{stream.name}`" for stream in flow.streams if stream.name]
        listed = f" ({', '.join(names)})" if len(names) == len(flow.streams) else ""
        self.findings.error(
            "NE036",
            f"{len(flow.streams)} tensors{listed} reach {what}, which takes {takes}",
            span,
            label=f"{len(flow.streams)} tensors arrive here",
            help="join them first with `Concatenate()` or `Add()`",
        )

    def _output_not_last(self, output: Layer, span: Span, why: str) -> None:
        from neural_dsl.diagnostics import Related

        self.findings.error(
            "NE041",
            "`Output` must be the last layer of the network",
            output.span,
            label=why,
            help="use `Dense` in the middle of a network; `Output` is its head",
            related=(Related(span, "this is after it"),)
            if span.start > output.span.start
            else (),
        )

    def _problem(
        self, problem: LayerProblem, node: syntax.LayerNode, spans: dict[str, Span]
    ) -> None:
        span = spans.get(problem.parameter or "", node.name.span)
        self.findings.error(
            problem.code, problem.message, span, label=problem.label, help=problem.help
        )


def _stacked(bound: Bound) -> int:
    """`num_layers` of the transformer layers; 1 for every other layer."""
    value = bound.values.get("num_layers", 1)
    return value if isinstance(value, int) else 1


def _lost(layer: Layer, taken: tuple[Stream, ...]) -> tuple[Span, ...]:
    """The places where masks ended, up to and including this layer.

    A layer that reads the mask (pooling) uses it up; any other that does not hand it on
    loses it.
    """
    earlier = tuple(dict.fromkeys(span for s in taken for span in s.lost_mask))
    first = layer.inputs[0].mask if layer.spec.arity != "many" else None
    if first is not None and layer.output.mask is None and not layer.spec.reads_mask:
        return (*earlier, layer.span)
    return earlier
