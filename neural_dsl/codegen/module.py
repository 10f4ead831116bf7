"""Writes the classes of one file, and the model itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace

from neural_dsl.catalogue.tensors import Mask
from neural_dsl.codegen.blocks import block_class
from neural_dsl.codegen.emit import Flow, ScopeWriter
from neural_dsl.codegen.lines import Held, shape_comment
from neural_dsl.codegen.plan import Plan
from neural_dsl.codegen.steps import inputs_read, masks_read
from neural_dsl.graph.nodes import Branches

_SHOWN = {"softmax": "softmax", "sigmoid": "a sigmoid"}
"""The activations of `Output` that make probabilities."""


def class_texts(plan: Plan, spell_out: bool) -> Iterator[str]:
    """The classes in dependency order: shared parts, layers, blocks."""
    parts = plan.parts
    attentions = [parts[sort] for sort in ("self", "cross") if sort in parts]
    if attentions:
        attention = plan.templates.macros("parts/attention")
        if hasattr(attention, "kernel"):
            yield str(attention.kernel(attentions))
        for each in attentions:
            yield str(attention.define(each, spell_out))
    if "feed_forward" in parts:
        feed_forward = plan.templates.macros("parts/feed_forward")
        yield str(feed_forward.define(parts["feed_forward"]))
    for template, cls in plan.layer_classes:
        yield template.define(cls, parts)
    for block in plan.block_classes.values():
        yield block_class(plan, block)


def write_model(plan: Plan) -> SimpleNamespace:
    """What the skeleton template needs to know of the model itself."""
    network, inputs = plan.network, plan.network.inputs
    variables, alone = plan.variables(), len(inputs) == 1
    wanted = {declared.name: declared.name for declared in inputs}
    if alone and "input" in wanted:
        ids = inputs[0].tensor.dtype == "ids"
        wanted["input"] = "tokens" if ids else plan.structure.input_variable
    parameters = {name: variables.unique(each) for name, each in wanted.items()}
    kept = {parameters[name] for name in _read_again(plan)}
    home = variables.unique("x") if "x" in kept else "x"
    variables.taken.add(home)
    scope = ScopeWriter(plan, variables, {}, parameters, kept, plan.inline)
    for mask in masks_read(network.body):
        _mask(mask, scope)
    names = list(parameters.values())
    flow = Flow(names[0] if alone else home, home, [] if alone else names, home=home)
    scope.steps(plan.steps, flow)
    has_head = bool(plan.layers) and plan.layers[-1].type == "Output"
    result = "logits" if has_head else "outputs"
    activation, shape = network.output_activation, shape_comment(network.output)
    if has_head and scope.lines:
        made = _SHOWN.get(activation, "")
        words = f": {result}{made and f', {made} makes them probabilities'}"
        scope.lines[-1].comment = shape + ("" if plan.inline else words)
    told = [f"{i.name} {shape_comment(i.tensor)}" for i in inputs]
    read = f"Inputs {', '.join(told)}"
    if alone:
        kind = "Token ids" if inputs[0].tensor.dtype == "ids" else "Float input"
        read = f"{kind} {shape_comment(inputs[0].tensor)}"
    longest = [each.params.get("max_len", 16) for each in plan.layers]
    size = network.output.shape
    return SimpleNamespace(
        name=plan.name,
        doc=f"{read} to {result} {shape}.",
        members=scope.members,
        lines=scope.finish(flow, result if plan.inline else "return"),
        inputs=[
            (name, declared, plan.operations.input(declared.name))
            for name, declared in zip(names, inputs, strict=True)
        ],
        kept=variables.unique(
            "model_inputs" if "inputs" in variables.taken else "inputs"
        ),
        rebinds=any(line.target in names for line in scope.lines),
        # No example may be longer than an encoding of positions.
        example_length=min([16, *longest]),
        result=result,
        activation=activation,
        shown="probabilities" if activation in _SHOWN else result,
        is_short=len(size) == 1 and (size[0] or 99) <= 20,
    )


def _read_again(plan: Plan) -> Iterator[str]:
    """The inputs that more than one step reads: code must not write over them."""
    body = plan.network.body
    read = Counter(inputs_read(body))
    first = body[0] if body else None
    if not isinstance(first, Branches) or any(b.input is None for b in first.branches):
        # The first step takes what no branch names.
        read.update(declared.name for declared in plan.network.inputs)
    return (name for name, times in read.items() if times > 1)


def _mask(mask: Mask, scope: ScopeWriter) -> str:
    """The variable of a mask, made where it is not there yet from those of its parts."""
    if mask in scope.masks:
        return scope.masks[mask]
    structure, inputs = scope.plan.structure, scope.plan.network.inputs
    parts = [_mask(part, scope) for part in mask.parts]
    wanted = "unmasked" if mask.operation == "ones" else "mask"
    if mask.operation == "input" and len(inputs) > 1:
        wanted = f"{mask.input}_mask"
    variable = scope.masks[mask] = scope.variables.unique(wanted)
    match mask.operation:
        case "input":
            made = structure.input_mask(scope.inputs[mask.input])
        case "ones":
            first, rank = scope.inputs[inputs[0].name], 1 + len(inputs[0].tensor.shape)
            made = structure.ones_mask(first, rank, mask.length)
        case "all":
            made = structure.all_masks(parts)
        case "concat":
            name = scope.plan.operations.free(f"{variable}_concatenate")
            made = structure.concat_masks(parts, name)
    scope.assign(variable, str(made).strip(), Held())
    scope.lines[-1].comment = "(B, T): True where a position is valid"
    return variable
