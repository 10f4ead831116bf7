"""From a syntax tree to the model graph.

What only a task needs, its tables and the rules of training, is imported where a file has
one: `neural check` starts faster without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from unicodedata import normalize

from neural_dsl.diagnostics import Diagnostic, refusal
from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Choice, Findings
from neural_dsl.graph.nodes import Input, Network, SearchValue
from neural_dsl.graph.settings import Settings
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
from neural_dsl.resolve.terms import Scope
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax
from neural_dsl.syntax.parser import garbage_collection_paused


def resolve(
    file: syntax.File, network: str | None = None, choice: Choice | None = None
) -> tuple[Network, tuple[Diagnostic, ...]]:
    """The model graph of one network of the file, and the warnings about it.

    `network` chooses by name; by default the last one. `choice`
    says which value each `HPO(…)` has, by its span; the first where it says nothing.
    Raises NeuralError with everything that is wrong, in source order.
    """
    findings = Findings(file.source, choice=choice or {})
    chosen = _choose(file, network)
    with garbage_collection_paused():
        macros = Macros(defines(file), findings)
        told_apart(networks(file), findings)
        resolved = resolve_network(chosen, macros, set(), findings)
    findings.raise_if_failed()
    assert resolved is not None
    return resolved, findings.in_order()


def defines(file: syntax.File) -> list[syntax.Define]:
    """The macros of a file."""
    return [item for item in file.items if isinstance(item, syntax.Define)]


def networks(file: syntax.File) -> list[syntax.NetworkNode]:
    """The networks of a file."""
    return [item for item in file.items if isinstance(item, syntax.NetworkNode)]


def told_apart(nodes: Sequence[syntax.NetworkNode], findings: Findings) -> None:
    """Report NE053 for networks of one name: only one of them could be chosen."""
    first: dict[str, Span] = {}
    for node in nodes:
        name, span = node.name.text, node.name.span
        if first.setdefault(name, span) != span:
            message, help = f"two networks are named `{name}`", "rename one of them"
            findings.again("NE053", message, span, first[name], help)


def _choose(file: syntax.File, name: str | None) -> syntax.NetworkNode:
    found = networks(file)
    wanted = normalize("NFKC", name) if name else name  # as names in the file are read
    for node in reversed(found):
        if wanted is None or node.name.text == wanted:
            return node
    message, label = "the file has no network", "nothing to build"
    help = "write `network Name { input: … layers: … }`"
    if found:
        names = list(dict.fromkeys(node.name.text for node in found))
        message += f" named `{name}`"
        help = did_you_mean(name or "", names)
        label = "it has " + ", ".join(f"`{each}`" for each in names)
    raise refusal("NE054", message, file.source, Span(0, 0), label, help)


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
    settings = _settings(sections, findings)
    task = settings.task
    statements = sections.layers.body if sections.layers else ()
    declared: list[Declared] = []
    inputs: dict[str, Stream] = {}
    if sections.inputs is not None:
        declared = declared_inputs(sections.inputs, findings)
        for each in declared:
            quiet = Findings(findings.source, choice=findings.choice)
            need = Lookahead(macros, quiet).need(statements, each.name, Scope())
            tensor = input_tensor(each, need or ANY, findings)
            inputs[each.name] = Stream(tensor, each.name, input=True)
    elif task is not None and task.setting is not None:
        declared, inputs = task_input(task, node, findings)
    resolver = LayerResolver(macros, inputs, findings, task, used_macros=used)
    flow = Flow(tuple(inputs.values()) or (Stream(None),), unknown=not inputs)
    try:
        nodes, flow = resolver.body(statements, flow, Scope())
    except TooLarge:
        return None
    head = resolver.output
    activation = str(head.params["activation"]) if head else "linear"
    if task is None and settings.learns:
        from neural_dsl.rules.without_task import check_without_task

        check_without_task(settings, activation, findings)
    if inputs and statements and findings.errors == errors:
        # What was not reached because of a mistake is no further mistake.
        _check_ends(node, declared, resolver, flow, findings)
    if head is not None:
        softmax_of_one(head, findings)
    namer = Namer(findings)
    namer.count(nodes)
    if findings.errors > errors or (only_check and task is None):
        return None
    named, output = namer.name(nodes), flow.streams[0].tensor
    assert output is not None
    read = tuple(_input(each, inputs, resolver) for each in declared)
    network = Network(
        name=node.name.text,
        source=findings.source,
        inputs=read,
        body=named,
        output=output,
        output_activation=activation,
        search=_search(findings, namer.names),
        loss=settings.loss,
        optimizer=settings.optimizer,
        lr_schedule=settings.lr_schedule,
        metrics=settings.metrics,
        train=settings.train,
        execution=settings.execution,
        train_spans=settings.train_spans,
    )
    if task is not None:
        from neural_dsl.resolve.tasks import reading
        from neural_dsl.rules.learning import check_training

        network = replace(network, task=reading(task, read))
        check_training(network, task, findings)
    return network if findings.errors == errors else None


def _settings(sections: Sections, findings: Findings) -> Settings:
    """The settings, completed for the task where there is one."""
    settings = resolve_settings(sections, findings)
    task = settings.task
    if task is not None and task.setting is not None:
        from neural_dsl.rules.training import for_task

        return for_task(settings, task, findings)
    return settings


def _input(
    declared: Declared, inputs: dict[str, Stream], resolver: LayerResolver
) -> Input:
    tensor, name = inputs[declared.name].tensor, declared.name
    assert tensor is not None
    return Input(name, tensor, resolver.vocabulary.get(name), declared.node.span)


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
) -> None:
    """The network must end in one tensor and read every input."""
    if len(flow.streams) > 1:
        message = f"the network ends with {len(flow.streams)} tensors"
        help = "join them at the end with `Concatenate()` or `Add()`"
        findings.error("NE036", message, node.name.span, "one output is needed", help)
    for each in declared:
        if each.name not in resolver.used_inputs:
            message = f"nothing reads the input `{each.name}`"
            help = f"read it in a branch, `{each.name}: {{ … }}`, or remove it"
            findings.error("NE038", message, each.node.span, "not used", help)
