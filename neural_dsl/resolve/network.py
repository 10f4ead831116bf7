"""From a syntax tree to the model graph.

What only a task needs, its tables and the rules of training, is imported where a file has
one: `neural check` starts faster without.
"""

from __future__ import annotations

from dataclasses import replace
from unicodedata import normalize

from neural_dsl.diagnostics import Diagnostic, refusal
from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Choice, Findings
from neural_dsl.graph.nodes import Input, Layer, Network, SearchValue
from neural_dsl.resolve.flow import Flow, Stream
from neural_dsl.resolve.inputs import Declared, declared_inputs, task_input
from neural_dsl.resolve.macros import Macros
from neural_dsl.resolve.naming import Namer
from neural_dsl.resolve.sections import Sections
from neural_dsl.resolve.settings import resolve_settings
from neural_dsl.resolve.structure import LayerResolver, TooLarge
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
        macros, _ = parts(file, findings)
        resolved = resolve_network(chosen, macros, findings)
    findings.raise_if_failed()
    assert resolved is not None
    return resolved, findings.in_order()


def parts(
    file: syntax.File, findings: Findings
) -> tuple[Macros, list[syntax.NetworkNode]]:
    """The macros and the networks of a file. Reports NE053 for networks of one name: only
    one of them could be chosen."""
    defines = (item for item in file.items if isinstance(item, syntax.Define))
    networks = [item for item in file.items if isinstance(item, syntax.NetworkNode)]
    macros, first = Macros(defines, findings), dict[str, Span]()
    for node in networks:
        name, span = node.name.text, node.name.span
        if first.setdefault(name, span) != span:
            message, help = f"two networks are named `{name}`", "rename one of them"
            findings.again("NE053", message, span, first[name], help)
    return macros, networks


def _choose(file: syntax.File, name: str | None) -> syntax.NetworkNode:
    found = [item for item in file.items if isinstance(item, syntax.NetworkNode)]
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
    findings: Findings,
    *,
    only_check: bool = False,
) -> Network | None:
    """One network, or None when anything in it is wrong. `only_check` may leave the
    network unmade: with macros, making it can take far longer than checking it."""
    errors, sections = findings.errors, Sections.collect(node, findings)
    settings, declared = resolve_settings(sections, findings), dict[str, Declared]()
    task, statements = settings.task, sections.layers.body if sections.layers else ()
    if task is not None and task.setting is not None:
        from neural_dsl.rules.training import for_task

        settings = for_task(settings, task, findings)
    if sections.inputs is not None:
        declared = declared_inputs(sections.inputs, statements, macros, findings)
    elif task is not None and task.setting is not None:
        declared = task_input(task, node.name, findings)
    inputs = {name: Stream(each.tensor, name, True) for name, each in declared.items()}
    layers = LayerResolver(macros, inputs, findings, task)
    flow = Flow(tuple(inputs.values()) or (Stream(None),), unknown=not inputs)
    try:
        nodes, flow = layers.body(statements, flow, Scope())
    except TooLarge:
        return None
    head = layers.output
    activation = str(head.params["activation"]) if head else "linear"
    if task is None and settings.learns:
        from neural_dsl.rules.without_task import check_without_task

        check_without_task(settings, activation, findings)
    if inputs and statements and findings.errors == errors:
        # What was not reached because of a mistake is no further mistake.
        _check_ends(node.name, declared, layers, flow)
    if head is not None:
        _check_head(head, findings)
    unmade = only_check and task is None
    if unmade and not macros.named:
        return None
    namer = Namer(nodes, findings)
    if findings.errors > errors or unmade:
        return None
    body, read = namer.named(), list[Input]()
    for each in declared.values():
        sizes = [n for name, n in layers.reads if name == each.name and n is not None]
        assert each.tensor is not None
        read.append(Input(each.name, each.tensor, min(sizes, default=None), each.span))
    output = flow.streams[0].tensor
    assert output is not None
    network = Network(
        name=node.name.text,
        source=findings.source,
        inputs=tuple(read),
        body=body,
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


def _search(findings: Findings, names: list[str]) -> tuple[SearchValue, ...]:
    """The search values, layers' ordinals replaced by their names."""
    found = []
    for ordinal, made in findings.searches.values():
        value = made()
        place = value.place if ordinal is None else f"{names[ordinal]}.{value.place}"
        found.append(replace(value, place=place))
    return tuple(sorted(found, key=lambda value: value.span.start))


def _check_ends(
    name: syntax.Name, declared: dict[str, Declared], layers: LayerResolver, flow: Flow
) -> None:
    """The network must end in one tensor and read every input."""
    if len(flow.streams) > 1:
        message = f"the network ends with {len(flow.streams)} tensors"
        label = "one output is needed"
        help = "join them at the end with `Concatenate()` or `Add()`"
        layers.findings.error("NE036", message, name.span, label, help)
    for unread in declared.keys() - dict(layers.reads).keys():
        message = f"nothing reads the input `{unread}`"
        help = f"read it in a branch, `{unread}: {{ … }}`, or remove it"
        span = declared[unread].span
        layers.findings.error("NE038", message, span, "not used", help)


def _check_head(output: Layer, findings: Findings) -> None:
    """Report a softmax over a single unit, which is 1 whatever comes in (NW025)."""
    activation = output.params["activation"]
    if output.params["units"] == 1 and activation in ("softmax", "log_softmax"):
        value = "1" if activation == "softmax" else "0"
        message = f"a {activation} over one unit is always {value}"
        label = "shows the same for every input"
        help = 'for two classes write `Output(2, "softmax")` or `Output(1, "sigmoid")`; for a number, `Output(1)`'
        findings.warning("NW025", message, output.span, label, help)
