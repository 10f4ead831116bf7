"""What can be wrong with a layer and the tensors that reach it, in words."""

from __future__ import annotations

from neural_dsl.catalogue import LAYERS, layer_names, planned_layer
from neural_dsl.catalogue.merging import RESIDUAL_CONNECTION
from neural_dsl.diagnostics import Related
from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Layer
from neural_dsl.resolve.flow import Flow
from neural_dsl.resolve.macros import Macros
from neural_dsl.resolve.terms import Invalid, Place, Scope
from neural_dsl.resolve.values import evaluate
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

BUILT = (*LAYERS, RESIDUAL_CONNECTION.name)
"""What is listed where a layer is unknown."""


def device_ignored(device: syntax.Value, scope: Scope, findings: Findings) -> None:
    """Warn that a layer is not placed on a device of its own (NW020)."""
    try:
        value = evaluate(device, scope, Place("device"), findings)
    except Invalid:
        return
    shown = f"`{value}`" if isinstance(value, str) else "this device"
    message = f"the layer is not placed on {shown}: the whole model runs on one device"
    help = "choose the device of the model with `execution { device: … }`"
    findings.warning("NW020", message, device.span, "not honoured", help)


def unknown_layer(node: syntax.LayerNode, macros: Macros, findings: Findings) -> None:
    """Report a layer that is not built yet (NE022) or not known at all (NE020)."""
    name = node.name.text
    planned = planned_layer(name)
    if planned is not None:
        message = f"`{planned}` is not yet supported"
        help = "there are: " + ", ".join(f"`{each}`" for each in BUILT)
        label = "known, but not built by this version"
        findings.error("NE022", message, node.name.span, label, help)
        return
    help = did_you_mean(
        name, [*macros.by_name, *layer_names()], listed=[*macros.by_name, *BUILT]
    )
    label = "no layer or macro of this name"
    findings.error("NE020", f"unknown layer `{name}`", node.name.span, label, help)


def several_tensors(
    flow: Flow, span: Span, findings: Findings, what: str, takes: str = "one"
) -> None:
    """Report that more tensors arrive than `what` takes (NE036)."""
    names = [f"`{stream.name}`" for stream in flow.streams if stream.name]
    listed = f" ({', '.join(names)})" if len(names) == len(flow.streams) else ""
    message = f"{len(flow.streams)} tensors{listed} reach {what}, which takes {takes}"
    label = f"{len(flow.streams)} tensors arrive here"
    help = "join them first with `Concatenate()` or `Add()`"
    findings.error("NE036", message, span, label, help)


def output_not_last(output: Layer, span: Span, findings: Findings, why: str) -> None:
    """Report an `Output` that is not the end of the network (NE041); `span` is what is
    after it, if it is after it."""
    related = (
        (Related(span, "this is after it"),) if span.start > output.span.start else ()
    )
    message = "`Output` must be the last layer of the network"
    help = "use `Dense` in the middle of a network; `Output` is its head"
    findings.error("NE041", message, output.span, why, help, related)


def softmax_of_one(output: Layer, findings: Findings) -> None:
    """Report a softmax over a single unit, which is 1 whatever comes in (NW025)."""
    activation = output.params["activation"]
    if output.params["units"] == 1 and activation in ("softmax", "log_softmax"):
        value = "1" if activation == "softmax" else "0"
        message = f"a {activation} over one unit is always {value}"
        label = "shows the same for every input"
        help = (
            'for two classes write `Output(2, "softmax")` or '
            '`Output(1, "sigmoid")`; for a number, `Output(1)`'
        )
        findings.warning("NW025", message, output.span, label, help)
