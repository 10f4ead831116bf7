"""From a syntax tree to the model graph.

What only a task needs, its tables and the rules of training, is imported where a file has
one: `neural check` starts faster without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.diagnostics import Diagnostic, refusal
from neural_dsl.graph.findings import Choice, Findings
from neural_dsl.graph.nodes import Input, Network, SearchValue, Setting
from neural_dsl.graph.settings import Task
from neural_dsl.resolve.flow import Flow, Stream
from neural_dsl.resolve.inputs import (
    ANY,
    Declared,
    Lookahead,
    declared_inputs,
    input_tensor,
    task_input,
)
from neural_dsl.resolve.layers import TooLarge
from neural_dsl.resolve.macros import Macros
from neural_dsl.resolve.mistakes import softmax_of_one
from neural_dsl.resolve.naming import Namer
from neural_dsl.resolve.sections import Sections
from neural_dsl.resolve.settings import resolve_settings
from neural_dsl.resolve.structure import LayerResolver
from neural_dsl.resolve.suggestions import did_you_mean
from neural_dsl.resolve.terms import Scope
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax
from neural_dsl.syntax.parser import garbage_collection_paused


def resolve(
    file: syntax.File, network: str | None = None, choice: Choice | None = None
) -> tuple[Network, tuple[Diagnostic, ...]]:
    """The model graph of one network of the file, and the warnings about it.

    `network` chooses by name (the last of that name); by default the last one. `choice`
    says which value each `HPO(…)` has, by its span; the first where it says nothing.
    Raises NeuralError with everything that is wrong, in source order.
    """
    findings = Findings(file.source, choice=choice or {})
    chosen = _choose(file, network)
    with garbage_collection_paused():
        macros = Macros(defines(file), findings)
        resolved = resolve_network(chosen, macros, set(), findings)
    findings.raise_if_failed()
    assert resolved is not None
    return resolved, findings.in_order()


def defines(file: syntax.File) -> list[syntax.Define]:
    """The macros of a file."""
    return [item for item in file.items if isinstance(item, syntax.Define)]


def _choose(file: syntax.File, name: str | None) -> syntax.NetworkNode:
    networks = [item for item in file.items if isinstance(item, syntax.NetworkNode)]
    names = list(dict.fromkeys(node.name.text for node in networks))
    for node in reversed(networks):
        if name is None or node.name.text == name:
            return node
    message = (
        f"the file has no network named `{name}`"
        if names
        else ("the file has no network")
    )
    help = (
        did_you_mean(name or "", names)
        if names
        else "write `network Name { input: … layers: … }`"
    )
    listed = ", ".join(f"`{each}`" for each in names)
    label = f"it has {listed}" if names else "nothing to build"
    raise refusal(
        "NE054", message, help=help, source=file.source, span=Span(0, 0), label=label
    )


def resolve_network(
    node: syntax.NetworkNode,
    macros: Macros,
    used: set[str],
    findings: Findings,
    *,
    only_check: bool = False,
) -> Network | None:
    """One network, or None when anything in it is wrong. `only_check` may leave the
    network unmade: with macros, making it can take far longer than checking it."""
    errors = findings.errors
    sections = Sections.collect(node, findings)
    settings = resolve_settings(sections, findings)
    task = settings.task
    if task is not None and task.setting is not None:
        from neural_dsl.rules.training import for_task

        settings = for_task(settings, task, findings)
    elif task is None and settings.learns:
        from neural_dsl.rules.without_task import check_without_task

        check_without_task(settings, findings)
    statements: Sequence[syntax.Statement] = (
        sections.layers.body if sections.layers is not None else ()
    )
    declared = (
        declared_inputs(sections.inputs, findings)
        if sections.inputs is not None
        else []
    )
    inputs = {
        each.name: Stream(
            _tensor(each, statements, macros, findings), each.name, input=True
        )
        for each in declared
    }
    if sections.inputs is None and task is not None and task.setting is not None:
        declared, inputs = task_input(task, node, findings)
    resolver = LayerResolver(macros, inputs, findings, task, used_macros=used)
    flow = Flow(tuple(inputs.values()) or (Stream(None),), unknown=not inputs)
    try:
        nodes, flow = resolver.body(statements, flow, Scope())
    except TooLarge:
        return None
    if inputs and statements:
        _check_ends(node, declared, resolver, flow, findings, errors)
    if resolver.output is not None:
        softmax_of_one(resolver.output, findings)
    namer = Namer(findings)
    namer.count(nodes)
    if findings.errors > errors or (only_check and task is None):
        return None
    named = namer.name(nodes)
    output = flow.streams[0].tensor
    assert output is not None
    read = _inputs(declared, inputs, resolver)
    network = Network(
        name=node.name.text,
        source=findings.source,
        inputs=read,
        body=named,
        output=output,
        output_activation=_output_activation(resolver),
        search=_search(findings, namer.names),
        loss=settings.loss,
        optimizer=settings.optimizer,
        lr_schedule=settings.lr_schedule,
        metrics=settings.metrics,
        train=settings.train,
        execution=settings.execution,
        task=_reading(task, read),
        train_spans=settings.train_spans,
    )
    if task is not None:
        from neural_dsl.rules.whole import check_training

        check_training(network, task, findings)
    return network if findings.errors == errors else None


def _tensor(
    declared: Declared,
    statements: Sequence[syntax.Statement],
    macros: Macros,
    findings: Findings,
) -> Tensor | None:
    need = Lookahead(macros, Findings(findings.source, choice=findings.choice)).need(
        statements, declared.name, Scope()
    )
    return input_tensor(declared, need or ANY, findings)


def _reading(task: Task | None, inputs: tuple[Input, ...]) -> Setting | None:
    """The task, told what the network reads."""
    if task is None:
        return None
    from neural_dsl.resolve.tasks import reading

    return reading(task, inputs)


def _inputs(
    declared: list[Declared], inputs: dict[str, Stream], resolver: LayerResolver
) -> tuple[Input, ...]:
    found = []
    for each in declared:
        tensor = inputs[each.name].tensor
        assert tensor is not None
        vocabulary = resolver.vocabulary.get(each.name)
        found.append(Input(each.name, tensor, vocabulary, each.node.span))
    return tuple(found)


def _output_activation(resolver: LayerResolver) -> str:
    if resolver.output is None:
        return "linear"
    return str(resolver.output.params["activation"])


def _search(findings: Findings, names: list[str]) -> tuple[SearchValue, ...]:
    """The search values, layers' ordinals replaced by their names."""
    found = []
    for ordinal, value in findings.searches.values():
        if ordinal is not None:
            value = replace(value, place=f"{names[ordinal]}.{value.place}")
        found.append(value)
    return tuple(sorted(found, key=lambda value: value.span.start))


def _check_ends(
    node: syntax.NetworkNode,
    declared: list[Declared],
    resolver: LayerResolver,
    flow: Flow,
    findings: Findings,
    errors: int,
) -> None:
    """The network must end in one tensor and read every input."""
    if findings.errors > errors:
        return  # what was not reached because of a mistake is no further mistake
    if len(flow.streams) > 1:
        message = f"the network ends with {len(flow.streams)} tensors"
        help = "join them at the end with `Concatenate()` or `Add()`"
        findings.error("NE036", message, node.name.span, "one output is needed", help)
    for each in declared:
        if each.name not in resolver.used_inputs:
            message = f"nothing reads the input `{each.name}`"
            help = f"read it in a branch, `{each.name}: {{ … }}`, or remove it"
            findings.error("NE038", message, each.node.span, "not used", help)
