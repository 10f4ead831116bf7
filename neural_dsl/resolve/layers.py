"""One layer: its arguments, the tensors that flow into it, its rules, its node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from neural_dsl.catalogue.shapes import check_inputs
from neural_dsl.catalogue.spec import LayerProblem, LayerSpec, Params
from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.diagnostics import Related
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Layer, Node
from neural_dsl.graph.settings import Task
from neural_dsl.graph.walk import outlasting
from neural_dsl.resolve.arguments import Bound, passed
from neural_dsl.resolve.macros import Macros, Size
from neural_dsl.resolve.naming import check_name
from neural_dsl.resolve.terms import UNKNOWN, At, Invalid, Scope
from neural_dsl.resolve.values import evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

Rules: TypeAlias = tuple[Params, tuple[Tensor, ...], Tensor, Any, Any]
"""Of a Layer: its params, inputs, output, weights and attentions."""


@dataclass(frozen=True)
class Stream:
    """One current tensor. None: its shape is unknown because of an earlier mistake.

    `name` is the network input's or the branch's ("" behind a layer); `input` says that
    this is the untouched network input, declared at `span`. `lost_mask` are the layers at
    which a mask on the way here ended, to be warned about if something later would read it.
    """

    tensor: Tensor | None
    name: str = ""
    input: bool = False
    span: Span | None = field(default=None, compare=False)
    lost_mask: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Flow:
    """The current tensors, in order, and the memory that decoders may read.

    `unknown` means that not even the number of tensors is known: nothing can be checked
    against them. To equal flows a layer does the same.
    """

    streams: tuple[Stream, ...]
    memory: Stream | None = None
    unknown: bool = False

    def through(self, stream: Stream, memory: Stream | None = None) -> Flow:
        """The flow behind a layer that gives one tensor."""
        return Flow((stream,), memory or self.memory)

    def behind(self, nodes: Sequence[Node], before: Flow) -> Flow:
        """The flow behind a macro or a repeated group that `before` entered."""
        memory = outlasting(nodes, before.streams, before.memory)
        return replace(self, memory=memory)

    def lost(self) -> Flow:
        """The flow behind a layer whose output is unknown."""
        return Flow((Stream(None),), self.memory, unknown=True)


Made: TypeAlias = tuple[tuple[Node, ...], Flow]
"""The nodes that statements stand for, and the flow behind them."""


@dataclass
class SingleLayers:
    """Resolves layers, one after another. `reads` are the network inputs that something
    read, each with the number of ids that it may hold (None: no Embedding read it)."""

    macros: Macros
    inputs: dict[str, Stream]
    findings: Findings
    task: Task | None = None
    output: Layer | None = None
    size: Size = field(default_factory=Size)
    reads: list[tuple[str, int | None]] = field(default_factory=list)
    memory_reads: list[Stream] = field(default_factory=list)

    @property
    def activation(self) -> str:
        """What the network shows its output with: that of `Output`, if there is one."""
        return str(self.output.params["activation"]) if self.output else "linear"

    def bind(
        self, spec: LayerSpec, node: syntax.LayerNode, scope: Scope
    ) -> tuple[Bound, str]:
        """The checked arguments of a layer, and its given name ("" without or when bad)."""
        arguments, name, findings = list[syntax.Argument](), "", self.findings
        for argument in node.arguments or ():
            if argument.name is None or argument.name.text.lower() != "name":
                arguments.append(argument)
                continue
            with suppress(Invalid):
                value = evaluate(argument.value, At(findings, scope, "name"))
                if value is not UNKNOWN:
                    name = check_name(value, argument.value.span, findings)
                    self.macros.named |= bool(name)
        filled, at = dict[str, Any](), At(findings, scope, "", self.size.layers)
        if self.task:  # only a file with one imports what tasks need
            from neural_dsl.resolve.tasks import check_sizes, sizes_of

            filled = sizes_of(self.task, spec)
        place, takes = node.name.span, spec.parameters
        bound = Bound(spec.name, takes, arguments, place, at, filled, extra=("name",))
        if self.task and bound.ok:
            check_sizes(self.task, spec, bound, findings)
        return bound, name

    def layer(
        self, spec: LayerSpec, span: Span, bound: Bound, name: str, flow: Flow
    ) -> Made:
        """One layer behind `flow`, which stands at `span`."""
        self.size += Size(1)
        if self.output is not None:
            self.not_last(self.output, bound.span, f"`{spec.name}` comes after it")
        taken = None if flow.unknown else self._take(spec, bound, flow)
        if taken is None or not bound.ok or not bound.known:
            return (), flow.lost()
        self.read(taken)
        lost = dict.fromkeys(span for stream in taken for span in stream.lost_mask)
        for place in lost if spec.reads_mask else ():
            message = f"padding is visible to `{spec.name}` after this layer"
            help = "positions change here, so the mask of `mask_zero=true` no longer fits; keep the length, or attend before this layer"
            label = "the padding mask ends here"
            self.findings.warning("NW023", message, place, label, help)
        inputs = tuple(each.tensor for each in taken if each.tensor is not None)
        rules = self._apply(spec, bound, inputs) if len(inputs) == len(taken) else None
        if rules is None:
            return (), flow.lost()
        layer = Layer(spec, name, bool(name), *rules, span, passed(bound.given))
        if spec.name == "Output":
            self.output = layer
        if spec.reads == "ids":
            self.reads.append((inputs[0].source, layer.params["input_dim"]))
        memory = taken[1] if spec.arity == "target" and len(taken) > 1 else None
        if memory is not None:
            self.memory_reads.append(memory)
        # A layer that reads the mask (pooling) uses it up; any other that does not hand
        # it on loses it.
        masked = inputs[0].mask is not None and spec.arity != "many"
        if masked and layer.output.mask is None and not spec.reads_mask:
            lost[span] = None
        stream = Stream(layer.output, lost_mask=tuple(lost))
        return (layer,), flow.through(stream, memory)

    def _take(
        self, spec: LayerSpec, bound: Bound, flow: Flow
    ) -> tuple[Stream, ...] | None:
        """The streams that a layer reads, memory last; None after reporting a misfit."""
        streams, span = flow.streams, bound.span
        if spec.arity == "many":
            if len(streams) > 1:
                return streams
            message = f"`{spec.name}` joins several tensors, but only one arrives here"
            help = f"put branches before it: `a: {{ … }} b: {{ … }} {spec.name}()`; around one path, use `ResidualConnection {{ … }}`"
            self.findings.error("NE031", message, span, "one input", help)
            return None
        crosses = bound.values.get("mode", "cross") == "cross"
        reads_memory = spec.arity == "target" and crosses
        if reads_memory and len(streams) == 2:
            return (streams[1], streams[0])
        if len(streams) == 1:
            memory = flow.memory if reads_memory else None
            return (streams[0], memory) if memory is not None else streams
        takes = "two" if reads_memory else "one"
        self.too_many(flow, span, f"`{spec.name}`", takes)
        return None

    def _apply(
        self, spec: LayerSpec, bound: Bound, inputs: tuple[Tensor, ...]
    ) -> Rules | None:
        """What a Layer has of its rules on its inputs; None after reporting."""
        given = {k: v for k, v in bound.values.items() if k != "num_layers"}
        key = (spec.name, tuple(given.values()), inputs)
        known: dict[object, Rules] = self.macros.rules
        if key not in known:
            try:
                check_inputs(spec, inputs)
                params = dict(spec.complete(given, inputs))
                output = spec.output(params, inputs)
                weights = spec.weights(params, inputs)
                attentions = spec.attentions(params, inputs)
            except LayerProblem as problem:
                self.findings.problem(problem, bound.spans, bound.span)
                return None
            known[key] = (params, inputs, output, weights, attentions)
        return known[key]

    def read(self, streams: Iterable[Stream]) -> None:
        """Remember which network inputs are among these."""
        self.reads += [(stream.name, None) for stream in streams if stream.input]

    def too_many(self, flow: Flow, span: Span, what: str, takes: str = "one") -> None:
        """Report that more tensors arrive than `what` takes (NE036)."""
        count, names = len(flow.streams), [f"`{s.name}`" for s in flow.streams]
        listed = f" ({', '.join(names)})" if "``" not in names else ""
        message = f"{count} tensors{listed} reach {what}, which takes {takes}"
        label = f"{count} tensors arrive here"
        help = "join them first with `Concatenate()` or `Add()`"
        self.findings.error("NE036", message, span, label, help)

    def not_last(self, output: Layer, span: Span, why: str) -> None:
        """Report an `Output` that is not the end of the network (NE041); `span` is what
        is after it, if it is after it."""
        after = (Related(span, "this is after it"),)
        related = after if span.start > output.span.start else ()
        message = "`Output` must be the last layer of the network"
        help = "use `Dense` in the middle of a network; `Output` is its head"
        self.findings.error("NE041", message, output.span, why, help, related)
