"""One layer: its arguments, the tensors that it takes, its rules, its node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from neural_dsl.catalogue.shapes import check_inputs
from neural_dsl.catalogue.spec import LayerProblem, LayerSpec
from neural_dsl.catalogue.tensors import Attention, Tensor, Weight
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Layer, Node
from neural_dsl.graph.settings import Task
from neural_dsl.resolve.arguments import Binder, Bound
from neural_dsl.resolve.flow import Flow, Stream
from neural_dsl.resolve.macros import Macros
from neural_dsl.resolve.mistakes import output_not_last, several_tensors
from neural_dsl.resolve.naming import check_name
from neural_dsl.resolve.sizes import Size, Sizes
from neural_dsl.resolve.terms import UNKNOWN, Invalid, Place, Scope
from neural_dsl.resolve.values import evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

MAX_LAYERS = 100_000
"""Layers of one expanded network; a file that asks for more is refused (NE048). So many
compile in some ten seconds: time and memory grow in step with them. As many steps of
expansion are taken at most, so that macros without layers come to an end too."""

Rules = tuple[dict[str, Any], Tensor, tuple[Weight, ...], tuple[Attention, ...]]


Expansion = tuple[tuple[Node, ...], Flow, Size]
"""A macro's body, the flow behind it, and what it added to the size of the network."""


class TooLarge(Exception):
    """The network cannot be expanded; NE048 has been reported."""


@dataclass
class SingleLayers:
    """What resolving one layer needs to know, and what it leaves for the next."""

    macros: Macros
    inputs: dict[str, Stream]
    findings: Findings
    task: Task | None = None
    vocabulary: dict[str, int] = field(default_factory=dict)
    used_inputs: set[str] = field(default_factory=set)
    used_macros: set[str] = field(default_factory=set)
    output: Layer | None = None
    count: int = 0
    _sizes: Sizes = field(init=False)
    _expanding: list[str] = field(default_factory=list)
    _depth: int = 0
    _steps: int = 0
    _memory_reads: list[Stream] = field(default_factory=list)
    _scopes: dict[tuple[int, int], Scope | None] = field(default_factory=dict)
    _bound: dict[tuple[int, int], tuple[Bound, str]] = field(default_factory=dict)
    _rules: dict[tuple[object, ...], Rules] = field(default_factory=dict)
    _alive: list[object] = field(default_factory=list)
    _expansions: dict[tuple[object, ...], Expansion] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """One count of sizes for the whole network."""
        self._sizes = Sizes(self.macros)

    def _room(self, span: Span, more: Size) -> None:
        """Report NE048 and raise TooLarge when with `more` it is too large."""
        size = Size(self.count, self._steps) + more
        if size.most <= MAX_LAYERS:
            return
        message = f"the network has more than {MAX_LAYERS:,} layers once it is expanded"
        help = "repeat less; no machine can run so many layers"
        if size.layers <= MAX_LAYERS:
            message = f"expanding the network takes more than {MAX_LAYERS:,} steps"
            help = "each layer, block and macro call that is written out is one; "
            help += "equal copies of `* n` count once"
        self.findings.error("NE048", message, span, "too many copies", help)
        raise TooLarge

    def _bind(
        self, spec: LayerSpec, node: syntax.LayerNode, scope: Scope
    ) -> tuple[Bound, str]:
        """The checked arguments and the given name (""), worked out once per call."""
        key = (id(node), id(scope))
        if key not in self._bound:
            arguments, name = self._given_name(node.arguments or (), scope)
            given: Mapping[str, Any] = {}
            if self.task:  # only a file with one imports what tasks need
                from neural_dsl.resolve.tasks import check_sizes, filled

                given = filled(self.task, spec)
            place, takes = Place("", self.count), spec.parameters
            binder = Binder(spec.name, takes, self.findings, scope, place, filled=given)
            bound = binder.bind(arguments, node.name.span)
            if self.task and bound.ok:
                check_sizes(self.task, spec, bound, self.findings)
            self._bound[key] = (bound, name)
            self._alive.append(scope)
        return self._bound[key]

    def _given_name(
        self, arguments: Sequence[syntax.Argument], scope: Scope
    ) -> tuple[list[syntax.Argument], str]:
        """The other arguments, and the value of `name="…"` ("" without or when bad)."""
        others: list[syntax.Argument] = []
        name, place = "", Place("name")
        for argument in arguments:
            if argument.name is None or argument.name.text.lower() != "name":
                others.append(argument)
                continue
            with suppress(Invalid):
                value = evaluate(argument.value, scope, place, self.findings)
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
            output_not_last(self.output, node.name.span, self.findings, after)
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
            bound.passed,
        )
        nodes.append(layer)
        if spec.name == "Output":
            self.output = layer
        if spec.reads == "ids":  # how many ids an input of an Embedding may hold
            source, size = layer.inputs[0].source, params["input_dim"]
            self.vocabulary[source] = min(self.vocabulary.get(source, size), size)
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
            message = f"`{spec.name}` joins several tensors, but only one arrives here"
            help = (
                f"put branches before it: `a: {{ … }} b: {{ … }} {spec.name}()`; "
                "around one path, use `ResidualConnection { … }`"
            )
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
        several_tensors(flow, span, self.findings, f"`{spec.name}`", takes)
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
        if key not in self._rules:
            try:
                check_inputs(spec, inputs)
                params = dict(spec.complete(given, inputs))
                output = spec.output(params, inputs)
                weights = spec.weights(params, inputs)
                attentions = spec.attentions(params, inputs)
            except LayerProblem as problem:
                self.findings.problem(problem, bound.spans, node.name.span)
                return None
            self._rules[key] = (params, output, weights, attentions)
        return self._rules[key]

    def _read(self, streams: Iterable[Stream]) -> None:
        self.used_inputs.update(stream.name for stream in streams if stream.input)

    def _warn_of_lost_masks(self, spec: LayerSpec, taken: tuple[Stream, ...]) -> None:
        if not spec.reads_mask:
            return
        for span in (span for stream in taken for span in stream.lost_mask):
            message = f"padding is visible to `{spec.name}` after this layer"
            label = "the padding mask ends here"
            help = (
                "positions change here, so the mask of `mask_zero=true` no longer "
                "fits; keep the length, or attend before this layer"
            )
            self.findings.warning("NW023", message, span, label, help)


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
