"""One layer: its arguments, the tensors that it takes, its rules, its node."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from neural_dsl.catalogue.shapes import check_inputs
from neural_dsl.catalogue.spec import LayerProblem, LayerSpec
from neural_dsl.catalogue.tensors import Attention, Tensor, Weight
from neural_dsl.diagnostics import Related
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Layer, Node
from neural_dsl.graph.settings import Task
from neural_dsl.resolve.arguments import Bound, passed
from neural_dsl.resolve.flow import Flow, Stream
from neural_dsl.resolve.macros import Macros, Size
from neural_dsl.resolve.naming import check_name
from neural_dsl.resolve.terms import UNKNOWN, At, Invalid, Scope
from neural_dsl.resolve.values import evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

Rules: TypeAlias = tuple[
    dict[str, Any],
    tuple[Tensor, ...],
    Tensor,
    tuple[Weight, ...],
    tuple[Attention, ...],
]
"""What a layer's rules make of its inputs, as `Layer` has it."""
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
        place, extra = node.name.span, ("name",)
        bound = Bound(
            spec.name, spec.parameters, arguments, place, at, extra=extra, filled=filled
        )
        if self.task and bound.ok:
            check_sizes(self.task, spec, bound, findings)
        return bound, name

    def layer(
        self,
        spec: LayerSpec,
        node: syntax.LayerNode,
        bound: Bound,
        name: str,
        flow: Flow,
    ) -> Made:
        """One layer behind `flow`."""
        self.size += Size(1)
        if self.output is not None:
            self.not_last(self.output, node.name.span, f"`{spec.name}` comes after it")
        taken = None if flow.unknown else self._take(spec, bound, node, flow)
        if taken is None or not bound.ok or not bound.known:
            return (), flow.lost()
        self.read(taken)
        for span in (
            s for stream in taken for s in stream.lost_mask if spec.reads_mask
        ):
            message = f"padding is visible to `{spec.name}` after this layer"
            help = "positions change here, so the mask of `mask_zero=true` no longer fits; keep the length, or attend before this layer"
            label = "the padding mask ends here"
            self.findings.warning("NW023", message, span, label, help)
        inputs = tuple(each.tensor for each in taken if each.tensor is not None)
        rules = self._apply(spec, bound, inputs) if len(inputs) == len(taken) else None
        if rules is None:
            return (), flow.lost()
        layer = Layer(spec, name, bool(name), *rules, node.span, passed(bound.given))
        if spec.name == "Output":
            self.output = layer
        if spec.reads == "ids":
            self.reads.append((inputs[0].source, layer.params["input_dim"]))
        memory = taken[1] if spec.arity == "target" and len(taken) > 1 else None
        if memory is not None:
            self.memory_reads.append(memory)
        # A layer that reads the mask (pooling) uses it up; any other that does not hand
        # it on loses it.
        lost = dict.fromkeys(span for stream in taken for span in stream.lost_mask)
        masked = inputs[0].mask is not None and spec.arity != "many"
        if masked and layer.output.mask is None and not spec.reads_mask:
            lost[node.span] = None
        return (layer,), flow.through(
            Stream(layer.output, lost_mask=tuple(lost)), memory
        )

    def _take(
        self, spec: LayerSpec, bound: Bound, node: syntax.LayerNode, flow: Flow
    ) -> tuple[Stream, ...] | None:
        """The streams that a layer reads, memory last; None after reporting a misfit."""
        streams, span = flow.streams, node.name.span
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
        """The layer's rules on its inputs; None after reporting."""
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
        count, names = (
            len(flow.streams),
            [f"`{s.name}`" for s in flow.streams if s.name],
        )
        listed = f" ({', '.join(names)})" if len(names) == count else ""
        message = f"{count} tensors{listed} reach {what}, which takes {takes}"
        help = "join them first with `Concatenate()` or `Add()`"
        self.findings.error(
            "NE036", message, span, f"{count} tensors arrive here", help
        )

    def not_last(self, output: Layer, span: Span, why: str) -> None:
        """Report an `Output` that is not the end of the network (NE041); `span` is what
        is after it, if it is after it."""
        after = (Related(span, "this is after it"),)
        related = after if span.start > output.span.start else ()
        message = "`Output` must be the last layer of the network"
        help = "use `Dense` in the middle of a network; `Output` is its head"
        self.findings.error("NE041", message, output.span, why, help, related)
