"""Whether a network can do what its task asks: its ends, what it sees, what it learns.

The cases come from projects that went wrong: models that saw the answer, layouts that
are solved without attention, layouts that cannot be learnt at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from neural_dsl.catalogue.shapes import show
from neural_dsl.catalogue.spec import LayerProblem
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Layer, Network
from neural_dsl.graph.settings import Task

A_LENGTH = 1000
"""A length to try a layer's shape rule with, where the real one is open."""


def check_learning(network: Network, task: Task, findings: Findings) -> None:
    """Report ends that do not fit the task, and what the network cannot learn of it."""
    if not task.gives_ids:
        return
    layers = tuple(network.layers())
    errors = findings.errors
    _check_inputs(network, task, findings)
    _check_output(network, layers, task, findings)
    if findings.errors > errors:
        return
    if task.spec.causal(network.task.params):  # type: ignore[union-attr]
        _check_causal(layers, task, findings)
    else:
        _check_aligned(network, layers, task, findings)
    _check_attention(network, layers, task, findings)


def looks_ahead(layer: Layer) -> bool:
    """Whether a position of the layer's output depends on later positions."""
    kinds = {attention.kind for attention in layer.attentions}
    return layer.spec.looks_ahead(layer.params) or bool(kinds - {"causal"})


# --- ends -----------------------------------------------------------------------------


def _check_inputs(network: Network, task: Task, findings: Findings) -> None:
    name, inputs = task.spec.name, network.inputs
    if len(inputs) > 1:
        message = (
            f"the network reads {len(inputs)} inputs, but the task `{name}` has one"
        )
        related = task.related
        help = "leave `input:` out: the task gives the ids of whole problems"
        findings.error("NE057", message, inputs[1].span, "one too many", help, related)
        return
    (given,) = inputs
    if given.tensor.dtype != "ids":
        message = f"the task `{name}` gives token ids, but the network reads vectors"
        label = "no `Embedding` reads this"
        help = "begin with `Embedding(output_dim=…)` and leave `input:` out"
        findings.error("NE057", message, given.span, label, help, task.related)
        return
    length = given.tensor.shape[0]
    if length not in (None, task.max_length) and task.max_length is not None:
        message = (
            f"the input has {length} positions, but inputs of the task `{name}` have "
            f"{task.max_length}"
        )
        label = f"{task.max_length} are needed"
        help = "leave `input:` out: the task gives it"
        findings.error("NE057", message, given.span, label, help, task.related)


def _check_output(
    network: Network, layers: Sequence[Layer], task: Task, findings: Findings
) -> None:
    name, shape = task.spec.name, network.output.shape
    length = network.inputs[0].tensor.shape[0]
    at_each = f"the task `{name}` asks for a symbol at every position"
    last = layers[-1]
    changed = next((each for each in layers if not _keeps_length(each)), None)
    if len(shape) != 2 or shape[0] != length or changed is not None:
        culprit = changed or last
        findings.error(
            "NE057",
            f"{at_each}, but the network gives {show(shape)}"
            if changed is None or len(shape) != 2
            else f"{at_each}, but `{changed.type}` changes their number",
            culprit.span,
            label="the positions end here" if len(shape) != 2 else "other positions",
            help="leave out what joins or drops positions (pooling, `Flatten`, strides, "
            '`padding="valid"`)',
            related=task.related,
        )
    elif task.vocabulary is not None and shape[-1] != task.vocabulary:
        message = (
            f"the network ends in {shape[-1]} values, but the task `{name}` has "
            f"{task.vocabulary} symbols"
        )
        related = task.related
        help = "end with `Output()`: the task gives its size"
        findings.error("NE057", message, last.span, "the last layer", help, related)


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


# --- what the network sees ------------------------------------------------------------


def _check_causal(layers: Sequence[Layer], task: Task, findings: Findings) -> None:
    """A model that is asked for the next symbol must not see it."""
    answer = "the text to be predicted" if task.layout == "text" else "the answer"
    for layer in layers:
        if not looks_ahead(layer):
            continue
        message = f"`{layer.type}` sees later positions, where {answer} stands"
        help = _how_not_to_look_ahead(layer, task)
        findings.error("NE077", message, layer.span, "looks ahead", help, task.related)


def _how_not_to_look_ahead(layer: Layer, task: Task) -> str:
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
    has_aligned = any(each.name == "layout" for each in task.spec.parameters)
    if has_aligned and task.spec.aligned_needs == "later":
        way += '; a model that sees everything fits `layout="aligned"`'
    return way


def _check_aligned(
    network: Network, layers: Sequence[Layer], task: Task, findings: Findings
) -> None:
    """Answers at the positions of the source: too easy for Copy, impossible blindly."""
    setting = network.task
    assert setting is not None
    if task.spec.aligned_needs == "nothing":
        findings.warning(
            "NW073",
            f"aligned `{setting.name}` is solved without attention: each symbol of the "
            "answer stands at its own position",
            setting.span,
            label="pictures of its attention would mean nothing",
            help='leave `layout` out: with `layout="sequence"` attention has to carry '
            "every symbol",
        )
        return
    if not any(map(looks_ahead, layers)):
        message = (
            f"aligned `{setting.name}` cannot be learnt: the answer depends on later "
            "positions, and no layer sees them"
        )
        label = "needs attention in both directions"
        help = 'use `TransformerEncoder` without `causal`, or `layout="sequence"`'
        findings.warning("NW078", message, setting.span, label, help)
    elif not _knows_positions(layers):
        message = (
            f"aligned `{setting.name}` cannot be learnt: nothing tells the positions of "
            "the source apart"
        )
        help = "put `PositionalEncoding()` behind the `Embedding`"
        findings.warning("NW078", message, setting.span, "needs positions", help)
    _check_padding(layers, task, findings)


def _knows_positions(layers: Sequence[Layer]) -> bool:
    """Attention in both directions alone treats all orders of a sequence alike."""
    return any(
        layer.type in ("PositionalEncoding", "Conv1D")
        or any(attention.kind == "causal" for attention in layer.attentions)
        for layer in layers
    )


def _of_several_lengths(task: Task) -> bool:
    assert task.setting is not None
    return isinstance(task.setting.params.get("length"), tuple)


def _check_padding(layers: Sequence[Layer], task: Task, findings: Findings) -> None:
    if not _of_several_lengths(task):
        return
    for layer in layers:
        if layer.attentions and layer.inputs[0].mask is None:
            message = f"`{layer.type}` sees the padding of shorter sequences"
            label = "attends to padding too"
            help = "write `mask_zero=true` in the `Embedding`"
            findings.warning("NW077", message, layer.span, label, help)


# --- what the network can do ----------------------------------------------------------


def _check_attention(
    network: Network, layers: Sequence[Layer], task: Task, findings: Findings
) -> None:
    """Nothing but attention (or a convolution) carries symbols from place to place."""
    setting = network.task
    assert setting is not None
    attending = sum(bool(layer.attentions) for layer in layers)
    pointless = task.layout == "aligned" and task.spec.aligned_needs == "nothing"
    if attending == 0 and not pointless:
        message = f"no layer attends, so the model can hardly learn `{setting.name}`"
        help = (
            "add `TransformerDecoder(num_heads=4, ff_dim=512)`"
            if task.spec.causal(setting.params)
            else "add `TransformerEncoder(num_heads=4, ff_dim=512)`"
        )
        label = "asks for symbols of other positions"
        findings.warning("NW074", message, setting.span, label, help)
    elif attending < task.spec.layers_needed and _of_several_lengths(task):
        message = (
            f"`{setting.name}` takes two layers of attention: one finds what came before "
            "each symbol, the next looks for it"
        )
        label = f"the network has {attending}"
        help = "repeat the layer: `TransformerDecoder(…) * 2`"
        findings.warning("NW076", message, setting.span, label, help)
