"""Writes the classes of one file, and the model itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace

from neural_dsl.catalogue.tensors import Mask
from neural_dsl.codegen.blocks import block_class
from neural_dsl.codegen.context import Context
from neural_dsl.codegen.emit import Flow, ScopeWriter, statements
from neural_dsl.codegen.imports import imported_names
from neural_dsl.codegen.lines import shape_comment
from neural_dsl.codegen.names import Names
from neural_dsl.codegen.steps import inputs_read, masks_read
from neural_dsl.graph.nodes import Branches, Input, Network

_SHOWN = {"softmax": "probabilities", "sigmoid": "probabilities"}
_SHOWN_AS = {
    "softmax": ", softmax makes them probabilities",
    "sigmoid": ", a sigmoid makes them probabilities",
}


def class_texts(context: Context, spell_out: bool) -> Iterator[str]:
    """The classes in dependency order: shared parts, layers, blocks."""
    parts = context.parts
    if parts.attentions:
        attention = context.templates.macros("parts/attention")
        if hasattr(attention, "kernel"):
            yield str(attention.kernel(parts.attentions))
        for each in parts.attentions:
            yield str(attention.define(each, spell_out))
    if parts.feed_forward is not None:
        feed_forward = context.templates.macros("parts/feed_forward")
        yield str(feed_forward.define(parts.feed_forward))
    for template, cls in context.layer_classes:
        yield template.define(cls, parts)
    for block in context.planner.classes.values():
        yield block_class(context, block)


def write_model(context: Context) -> SimpleNamespace:
    """What the skeleton template needs to know of the model itself."""
    inputs, masks_needed = context.network.inputs, masks_read(context.network.body)
    variables = Names(context.reserved_variables())
    parameters = {i.name: variables.unique(_input_name(context, i)) for i in inputs}
    kept = {parameters[name] for name in _read_again(context)}
    home = variables.unique("x") if "x" in kept else "x"
    variables.taken.add(home)
    masks = _mask_names(context, masks_needed, variables)
    scope = ScopeWriter(
        context, context.inline, variables, masks, inputs=dict(parameters), kept=kept
    )
    for mask, variable in masks.items():
        scope.assign(variable, _mask(context, mask, masks, parameters), None)
        scope.lines[-1].comment = "(B, T): True where a position is valid"
    names = list(parameters.values())
    flow = Flow(write=home, home=home)
    if len(names) == 1:
        flow.read = names[0]
    else:
        flow.streams = names
    scope.steps(context.steps, flow)
    has_head = bool(context.layers) and context.layers[-1].type == "Output"
    result = "logits" if has_head else "outputs"
    activation, shape = context.network.output_activation, context.network.output.shape
    if has_head and scope.lines:
        shown = shape_comment(context.network.output)
        words = "" if context.inline else f": {result}{_SHOWN_AS.get(activation, '')}"
        scope.lines[-1].comment = shown + words
    return SimpleNamespace(
        name=context.name,
        doc=f"{_inputs_in_words(context)} to {result} {shape_comment(context.network.output)}.",
        members=scope.members,
        lines=statements(scope, flow, result if context.inline else "return"),
        inputs=[
            (name, declared, context.operations.input(declared.name))
            for name, declared in zip(names, inputs, strict=True)
        ],
        kept=variables.unique(
            "model_inputs" if "inputs" in variables.taken else "inputs"
        ),
        rebinds=any(line.target in names for line in scope.lines),
        # No example may be longer than an encoding of positions.
        example_length=min(
            [
                16,
                *(x.params["max_len"] for x in context.layers if "max_len" in x.params),
            ]
        ),
        result=result,
        activation=activation,
        shown=_SHOWN.get(activation, result),
        is_short=len(shape) == 1 and (shape[0] or 99) <= 20,
    )


def _read_again(context: Context) -> Iterator[str]:
    """The inputs that more than one step reads: code must not write over them."""
    read = Counter(inputs_read(context.network.body))
    first = context.network.body[0] if context.network.body else None
    if not isinstance(first, Branches) or any(
        branch.input is None for branch in first.branches
    ):  # the first step takes what no branch names
        read.update(declared.name for declared in context.network.inputs)
    return (name for name, times in read.items() if times > 1)


def _inputs_in_words(context: Context) -> str:
    """`Float input (B, 50, 256)`, `Token ids source (B, T), target (B, T)`."""
    inputs = context.network.inputs
    if len(inputs) == 1:
        kind = "Token ids" if inputs[0].tensor.dtype == "ids" else "Float input"
        return f"{kind} {shape_comment(inputs[0].tensor)}"
    return "Inputs " + ", ".join(f"{i.name} {shape_comment(i.tensor)}" for i in inputs)


def _input_name(context: Context, declared: Input) -> str:
    if len(context.network.inputs) == 1 and declared.name == "input":
        ids = declared.tensor.dtype == "ids"
        return "tokens" if ids else str(context.structure.input_variable)
    return str(declared.name)


def _mask_names(
    context: Context, masks: list[Mask], variables: Names
) -> dict[Mask, str]:
    """Variables for the masks that are read, those that they are made of first."""
    named: dict[Mask, str] = {}

    def add(mask: Mask) -> None:
        if mask not in named:
            for part in mask.parts:
                add(part)
            name = {"input": f"{mask.input}_mask", "ones": "unmasked"}
            wanted = name.get(mask.operation, "mask")
            if len(context.network.inputs) == 1 and mask.operation == "input":
                wanted = "mask"
            named[mask] = variables.unique(wanted)

    for mask in masks:
        add(mask)
    return named


def _mask(
    context: Context, mask: Mask, named: dict[Mask, str], parameters: dict[str, str]
) -> str:
    structure = context.structure
    parts = [named[part] for part in mask.parts]
    if mask.operation == "input":
        return str(structure.input_mask(parameters[mask.input])).strip()
    if mask.operation == "ones":
        first = context.network.inputs[0]
        rank = 1 + len(first.tensor.shape)
        name = parameters[first.name]
        return str(structure.ones_mask(name, rank, mask.length)).strip()
    if mask.operation == "all":
        return str(structure.all_masks(parts)).strip()
    name = context.operations.mask(named[mask])
    return str(structure.concat_masks(parts, name)).strip()


def says_how(network: Network) -> bool:
    """Whether the file says anything of how its network learns."""
    said = network.loss, network.optimizer, network.lr_schedule
    return any((*said, network.train, network.metrics))


def names_of_training(network: Network) -> set[str]:
    """What a file that trains defines beside the model."""
    own = {"Schedule", "Steps", "SGD", "RMSprop", "ACCUMULATION"}
    if network.task is None:
        return own if says_how(network) else set()
    from neural_dsl.codegen.task_source import data_part
    from neural_dsl.tasks.custom import defined

    task = data_part(network)
    imported = imported_names("\n".join(task.imports))
    return {*defined(task.code), *imported, *own, "Step", "Training", "PATIENCE"}
