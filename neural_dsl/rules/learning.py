"""Whether a network can do what its task asks: its ends, what it sees, what it learns.

The cases come from projects that went wrong: models that saw the answer, layouts that
are solved without attention, layouts that cannot be learnt at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from neural_dsl.catalogue.shapes import show
from neural_dsl.catalogue.spec import LayerProblem
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Layer, Network
from neural_dsl.graph.settings import Task
from neural_dsl.rules.measures import check_measures
from neural_dsl.source import Span

A_LENGTH = 1000
"""A length to try a layer's shape rule with, where the real one is open."""
TABLES = {"id", "position"}
"""Axes of the matrices whose rows are looked up."""

Found: TypeAlias = Iterator[tuple[str, str, Span, str, str]]
"""Code, message, place, label and help of each finding of a rule."""


def check_training(network: Network, task: Task, findings: Findings) -> None:
    """Report ends that do not fit the task, what the network cannot learn of it where
    they fit, and settings that fit neither."""
    if task.gives_ids:
        rules = _Learning(network, task, tuple(network.layers()))
        ends = [*rules.inputs(), *rules.output()]
        seen = rules.causal if task.causal else rules.aligned
        for code, message, span, label, help in ends or [*seen(), *rules.attention()]:
            if code.startswith("NW"):
                findings.warning(code, message, span, label, help)
            else:
                findings.error(code, message, span, label, help, task.related)
    check_measures(network, findings)
    _check_muon(network, findings)


def looks_ahead(layer: Layer) -> bool:
    """Whether a position of the layer's output depends on later positions."""
    kinds = {attention.kind for attention in layer.attentions}
    return layer.spec.looks_ahead(layer.params) or bool(kinds - {"causal"})


@dataclass
class _Learning:
    """One network that learns a task which gives ids, and a method for each rule."""

    network: Network
    task: Task
    layers: tuple[Layer, ...]

    def inputs(self) -> Found:
        """One input of token ids, as long as the task's."""
        name, (given, *more) = self.task.spec.name, self.network.inputs
        most, length = self.task.max_length, given.tensor.shape[0]
        if more:
            message = f"the network reads {1 + len(more)} inputs, but the task `{name}` has one"
            help = "leave `input:` out: the task gives the ids of whole problems"
            yield "NE057", message, more[0].span, "one too many", help
        elif given.tensor.dtype != "ids":
            message = (
                f"the task `{name}` gives token ids, but the network reads vectors"
            )
            label = "no `Embedding` reads this"
            help = "begin with `Embedding(output_dim=…)` and leave `input:` out"
            yield "NE057", message, given.span, label, help
        elif most is not None and length not in (None, most):
            message = f"the input has {length} positions, but inputs of the task `{name}` have {most}"
            label, help = f"{most} are needed", "leave `input:` out: the task gives it"
            yield "NE057", message, given.span, label, help

    def output(self) -> Found:
        """A symbol of the task at every position."""
        name, symbols = self.task.spec.name, self.task.vocabulary
        shape, length = (
            self.network.output.shape,
            self.network.inputs[0].tensor.shape[0],
        )
        changed = next((each for each in self.layers if not _keeps_length(each)), None)
        last = self.layers[-1]
        if len(shape) != 2 or shape[0] != length or changed is not None:
            message = f"the task `{name}` asks for a symbol at every position, but "
            if changed is None or len(shape) != 2:
                message += f"the network gives {show(shape)}"
            else:
                message += f"`{changed.type}` changes their number"
            label = "the positions end here" if len(shape) != 2 else "other positions"
            help = 'leave out what joins or drops positions (pooling, `Flatten`, strides, `padding="valid"`)'
            yield "NE057", message, (changed or last).span, label, help
        elif symbols is not None and shape[-1] != symbols:
            message = f"the network ends in {shape[-1]} values, but the task `{name}` has {symbols} symbols"
            help = "end with `Output()`: the task gives its size"
            yield "NE057", message, last.span, "the last layer", help

    def causal(self) -> Found:
        """A model that is asked for the next symbol must not see it."""
        text = self.task.layout == "text"
        answer = "the text to be predicted" if text else "the answer"
        for layer in filter(looks_ahead, self.layers):
            message = f"`{layer.type}` sees later positions, where {answer} stands"
            kinds = {attention.kind for attention in layer.attentions}
            if "cross" in kinds:
                help = "attend to the sequence itself: leave the branches out"
            elif "self" in kinds:
                help = "write `causal=true`"
                if layer.type == "TransformerEncoder":
                    help += ", or use `TransformerDecoder`"
            else:
                convolution = layer.type == "Conv1D"
                help = 'write `padding="causal"`' if convolution else "leave it out"
            spec = self.task.spec
            has_aligned = any(each.name == "layout" for each in spec.parameters)
            if has_aligned and spec.aligned_needs == "later":
                help += '; a model that sees everything fits `layout="aligned"`'
            yield "NE077", message, layer.span, "looks ahead", help

    def aligned(self) -> Found:
        """Answers at the positions of the source: too easy for Copy, impossible blindly."""
        name, span = self.task.spec.name, self.task.given.span
        if self.task.spec.aligned_needs == "nothing":
            message = f"aligned `{name}` is solved without attention: each symbol of the answer stands at its own position"
            label = "pictures of its attention would mean nothing"
            help = 'leave `layout` out: with `layout="sequence"` attention has to carry every symbol'
            yield "NW073", message, span, label, help
            return
        kinds = {
            attention.kind for each in self.layers for attention in each.attentions
        }
        cannot = f"aligned `{name}` cannot be learnt: "
        if not any(map(looks_ahead, self.layers)):
            cannot += "the answer depends on later positions, and no layer sees them"
            help = 'use `TransformerEncoder` without `causal`, or `layout="sequence"`'
            yield "NW078", cannot, span, "needs attention in both directions", help
        elif "causal" not in kinds and not any(
            each.spec.orders for each in self.layers
        ):
            # Attention in both directions alone treats all orders of a sequence alike.
            cannot += "nothing tells the positions of the source apart"
            help = "put `PositionalEncoding()` behind the `Embedding`"
            yield "NW078", cannot, span, "needs positions", help
        several = isinstance(self.task.given.params.get("length"), tuple)
        for layer in self.layers if several else ():
            if layer.attentions and layer.inputs[0].mask is None:
                message = f"`{layer.type}` sees the padding of shorter sequences"
                help = "write `mask_zero=true` in the `Embedding`"
                yield "NW077", message, layer.span, "attends to padding too", help

    def attention(self) -> Found:
        """Nothing but attention (or a convolution) carries symbols from place to place."""
        spec, span = self.task.spec, self.task.given.span
        attending = sum(bool(each.attentions) for each in self.layers)
        several = isinstance(self.task.given.params.get("length"), tuple)
        pointless = self.task.layout == "aligned" and spec.aligned_needs == "nothing"
        if attending == 0 and not pointless:
            message = f"no layer attends, so the model can hardly learn `{spec.name}`"
            label = "asks for symbols of other positions"
            kind = "Decoder" if self.task.causal else "Encoder"
            help = f"add `Transformer{kind}(num_heads=4, ff_dim=512)`"
            yield "NW074", message, span, label, help
        elif attending < spec.layers_needed and several:
            message = f"`{spec.name}` takes two layers of attention: one finds what came before each symbol, the next looks for it"
            help = "repeat the layer: `TransformerDecoder(…) * 2`"
            yield "NW076", message, span, f"the network has {attending}", help


def _keeps_length(layer: Layer) -> bool:
    """Whether a sequence of any length leaves the layer as long as it came."""
    if layer.spec.arity == "many" or any(t.shape[0] is not None for t in layer.inputs):
        return True  # of known length: the shapes themselves tell
    tried = [replace(t, shape=(A_LENGTH, *t.shape[1:])) for t in layer.inputs]
    try:
        output = layer.spec.output(layer.params, tried)
    except LayerProblem:
        return False
    return len(output.shape) > 1 and output.shape[0] == A_LENGTH


def matrix_ends(network: Network) -> list[Layer]:
    """The layers whose matrices are not hidden, so that AdamW trains them under Muon:
    tables of embeddings, and the head."""
    own = [layer for layer in network.layers() if layer.weights]
    axes = [
        {axis for each in layer.weights for axis in each.array.axes} for layer in own
    ]
    has_head = any(layer.type == "Output" for layer in own)
    ends = [
        layer
        for layer, found in zip(own, axes, strict=True)
        if layer.type == "Output" or found & TABLES
    ]
    if own and own[-1].type == "Dense" and not has_head:
        ends.append(own[-1])
    return ends


def _check_muon(network: Network, findings: Findings) -> None:
    """Report NE074 where Muon, which trains the matrices of hidden layers, has none."""
    optimizer = network.optimizer
    if optimizer is None or optimizer.name != "Muon":
        return
    ends = {layer.name for layer in matrix_ends(network)}
    hidden = [layer for layer in network.layers() if layer.name not in ends]
    if not any(len(weight.shape) == 2 for layer in hidden for weight in layer.weights):
        message = (
            "`Muon` trains the matrices of hidden layers, and this network has none"
        )
        help = "use `AdamW`, which trains everything else under Muon, too"
        findings.error("NE074", message, optimizer.span, "nothing to train", help)
