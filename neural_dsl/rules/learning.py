"""Whether a network can do what its task asks: its ends, what it sees, what it learns.

The cases come from projects that went wrong: models that saw the answer, layouts that
are solved without attention, layouts that cannot be learnt at all.
"""

from __future__ import annotations

from dataclasses import replace

from neural_dsl.catalogue.shapes import show
from neural_dsl.catalogue.spec import LayerProblem
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Layer, Network
from neural_dsl.graph.settings import Task
from neural_dsl.rules.measures import check_measures
from neural_dsl.rules.muon import check_muon
from neural_dsl.source import Span

A_LENGTH = 1000
"""A length to try a layer's shape rule with, where the real one is open."""


def check_training(network: Network, task: Task, findings: Findings) -> None:
    """Report ends that do not fit the task, what the network cannot learn of it, and
    settings that fit neither."""
    if task.gives_ids:
        _Learning(network, task, findings).check()
    check_measures(network, findings)
    check_muon(network, findings)


def looks_ahead(layer: Layer) -> bool:
    """Whether a position of the layer's output depends on later positions."""
    kinds = {attention.kind for attention in layer.attentions}
    return layer.spec.looks_ahead(layer.params) or bool(kinds - {"causal"})


class _Learning:
    """One network that learns a task which gives ids."""

    def __init__(self, network: Network, task: Task, findings: Findings):
        self.network = network
        self.layers = tuple(network.layers())
        self.task = task
        self.name = task.spec.name
        self.findings = findings

    def check(self) -> None:
        """All rules; those of what is learnt where the ends fit."""
        errors = self.findings.errors
        self._inputs()
        self._output()
        if self.findings.errors == errors:
            if self.task.causal:
                self._causal()
            else:
                self._aligned()
            self._attention()

    def _unfit(self, message: str, span: Span, label: str, help: str) -> None:
        """Report an end that does not fit the task."""
        related = self.task.related
        self.findings.error("NE057", message, span, label, help, related)

    def _doubt(self, code: str, message: str, label: str, help: str) -> None:
        """Warn, at the task, of what cannot be learnt."""
        self.findings.warning(code, message, self.task.given.span, label, help)

    # --- ends -------------------------------------------------------------------------

    def _inputs(self) -> None:
        given, *more = self.network.inputs
        most, length = self.task.max_length, given.tensor.shape[0]
        if more:
            message = f"the network reads {1 + len(more)} inputs, but the task `{self.name}` has one"
            help = "leave `input:` out: the task gives the ids of whole problems"
            self._unfit(message, more[0].span, "one too many", help)
        elif given.tensor.dtype != "ids":
            message = (
                f"the task `{self.name}` gives token ids, but the network reads vectors"
            )
            help = "begin with `Embedding(output_dim=…)` and leave `input:` out"
            self._unfit(message, given.span, "no `Embedding` reads this", help)
        elif most is not None and length not in (None, most):
            message = f"the input has {length} positions, but inputs of the task `{self.name}` have {most}"
            help = "leave `input:` out: the task gives it"
            self._unfit(message, given.span, f"{most} are needed", help)

    def _output(self) -> None:
        name, shape, symbols = (
            self.name,
            self.network.output.shape,
            self.task.vocabulary,
        )
        length = self.network.inputs[0].tensor.shape[0]
        changed = next((each for each in self.layers if not _keeps_length(each)), None)
        last = self.layers[-1]
        if len(shape) != 2 or shape[0] != length or changed is not None:
            message = f"the task `{name}` asks for a symbol at every position, but "
            if changed is None or len(shape) != 2:
                message += f"the network gives {show(shape)}"
            else:
                message += f"`{changed.type}` changes their number"
            label = "the positions end here" if len(shape) != 2 else "other positions"
            help = (
                "leave out what joins or drops positions (pooling, `Flatten`, strides, "
                '`padding="valid"`)'
            )
            self._unfit(message, (changed or last).span, label, help)
        elif symbols is not None and shape[-1] != symbols:
            message = f"the network ends in {shape[-1]} values, but the task `{name}` has {symbols} symbols"
            help = "end with `Output()`: the task gives its size"
            self._unfit(message, last.span, "the last layer", help)

    # --- what the network sees --------------------------------------------------------

    def _causal(self) -> None:
        """A model that is asked for the next symbol must not see it."""
        text = self.task.layout == "text"
        answer = "the text to be predicted" if text else "the answer"
        for layer in filter(looks_ahead, self.layers):
            message = f"`{layer.type}` sees later positions, where {answer} stands"
            help, related = self._without_looking_ahead(layer), self.task.related
            self.findings.error(
                "NE077", message, layer.span, "looks ahead", help, related
            )

    def _without_looking_ahead(self, layer: Layer) -> str:
        kinds = {attention.kind for attention in layer.attentions}
        if "cross" in kinds:
            way = "attend to the sequence itself: leave the branches out"
        elif "self" in kinds:
            way = "write `causal=true`"
            if layer.type == "TransformerEncoder":
                way += ", or use `TransformerDecoder`"
        elif layer.type == "Conv1D":
            way = 'write `padding="causal"`'
        else:
            way = "leave it out"
        spec = self.task.spec
        has_aligned = any(each.name == "layout" for each in spec.parameters)
        if has_aligned and spec.aligned_needs == "later":
            way += '; a model that sees everything fits `layout="aligned"`'
        return way

    def _aligned(self) -> None:
        """Answers at the positions of the source: too easy for Copy, impossible blindly."""
        if self.task.spec.aligned_needs == "nothing":
            message = (
                f"aligned `{self.name}` is solved without attention: each symbol of the "
                "answer stands at its own position"
            )
            label = "pictures of its attention would mean nothing"
            help = (
                'leave `layout` out: with `layout="sequence"` attention has to carry '
                "every symbol"
            )
            self._doubt("NW073", message, label, help)
            return
        cannot = f"aligned `{self.name}` cannot be learnt: "
        if not any(map(looks_ahead, self.layers)):
            cannot += "the answer depends on later positions, and no layer sees them"
            help = 'use `TransformerEncoder` without `causal`, or `layout="sequence"`'
            self._doubt("NW078", cannot, "needs attention in both directions", help)
        elif not any(map(_tells_positions, self.layers)):
            cannot += "nothing tells the positions of the source apart"
            help = "put `PositionalEncoding()` behind the `Embedding`"
            self._doubt("NW078", cannot, "needs positions", help)
        for layer in self.layers if self._several_lengths else ():
            if layer.attentions and layer.inputs[0].mask is None:
                message = f"`{layer.type}` sees the padding of shorter sequences"
                label = "attends to padding too"
                help = "write `mask_zero=true` in the `Embedding`"
                self.findings.warning("NW077", message, layer.span, label, help)

    @property
    def _several_lengths(self) -> bool:
        return isinstance(self.task.given.params.get("length"), tuple)

    # --- what the network can do ------------------------------------------------------

    def _attention(self) -> None:
        """Nothing but attention (or a convolution) carries symbols from place to place."""
        spec, attending = (
            self.task.spec,
            sum(bool(each.attentions) for each in self.layers),
        )
        pointless = self.task.layout == "aligned" and spec.aligned_needs == "nothing"
        if attending == 0 and not pointless:
            message = f"no layer attends, so the model can hardly learn `{self.name}`"
            kind = "Decoder" if self.task.causal else "Encoder"
            help = f"add `Transformer{kind}(num_heads=4, ff_dim=512)`"
            self._doubt("NW074", message, "asks for symbols of other positions", help)
        elif attending < spec.layers_needed and self._several_lengths:
            message = (
                f"`{self.name}` takes two layers of attention: one finds what came before "
                "each symbol, the next looks for it"
            )
            help = "repeat the layer: `TransformerDecoder(…) * 2`"
            self._doubt("NW076", message, f"the network has {attending}", help)


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


def _tells_positions(layer: Layer) -> bool:
    """Attention in both directions alone treats all orders of a sequence alike."""
    causal = any(attention.kind == "causal" for attention in layer.attentions)
    return causal or layer.type in ("PositionalEncoding", "Conv1D")
