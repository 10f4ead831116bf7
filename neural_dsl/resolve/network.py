"""From a syntax tree to the model graph. What only tasks and settings need is imported
where a file has them: `neural check` starts faster without."""

from __future__ import annotations

from dataclasses import replace
from unicodedata import normalize

from neural_dsl.diagnostics import Diagnostic, refusal
from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Choice, Findings
from neural_dsl.graph.nodes import Input, Layer, Network
from neural_dsl.graph.settings import Settings
from neural_dsl.resolve.inputs import declared_inputs, task_input
from neural_dsl.resolve.layers import Flow, Stream
from neural_dsl.resolve.macros import Macros
from neural_dsl.resolve.naming import Namer
from neural_dsl.resolve.sections import Sections
from neural_dsl.resolve.settings import SettingsReader
from neural_dsl.resolve.structure import LayerResolver
from neural_dsl.source import Source, Span
from neural_dsl.syntax import nodes as syntax
from neural_dsl.syntax.parser import garbage_collection_paused

KEPT = [
    "loss",
    "optimizer",
    "lr_schedule",
    "metrics",
    "train",
    "execution",
    "train_spans",
]
"""What a Network has of its Settings."""


def resolve(
    file: syntax.File, network: str | None = None, choice: Choice | None = None
) -> tuple[Network, tuple[Diagnostic, ...]]:
    """The model graph of one network of the file, and the warnings about it.

    `network` chooses by name, by default the last one; `choice` the value of each `HPO(…)`
    by its span, by default the first. Raises NeuralError with everything that is wrong.
    """
    findings = Findings(file.source, choice=choice or {})
    with garbage_collection_paused():
        macros, networks = parts(file, findings)
        chosen = _choose(networks, network, file.source)
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


def _choose(
    found: list[syntax.NetworkNode], name: str | None, source: Source
) -> syntax.NetworkNode:
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
    raise refusal("NE054", message, source, Span(0, 0), label, help)


def resolve_network(
    node: syntax.NetworkNode,
    macros: Macros,
    findings: Findings,
    only_check: bool = False,
) -> Network | None:
    """One network, or None when anything in it is wrong. `only_check` may leave the
    network unmade: with macros, making it can take far longer than checking it."""
    errors, sections = findings.errors, Sections.collect(node, findings)
    settings = SettingsReader(sections, findings).settings()
    task, statements = settings.task, sections.layers.body if sections.layers else ()
    inputs: dict[str, Stream] = {}
    if task is not None and task.setting is not None:
        from neural_dsl.rules.training import TrainingCheck

        settings = TrainingCheck(settings, task, findings).complete()
        if sections.inputs is None:
            inputs = task_input(task, node.name, findings)
    if sections.inputs is not None:
        inputs = declared_inputs(sections.inputs, statements, macros, findings)
    layers = LayerResolver(macros, inputs, findings, task)
    made = layers.network(statements)
    if made is None:
        return None
    if task is None and settings.learns:
        from neural_dsl.rules.without_task import check_without_task

        check_without_task(settings, layers.activation, findings)
    if inputs and statements and findings.errors == errors:
        # What was not reached because of a mistake is no further mistake.
        _check_ends(node.name, layers, made[1])
    if layers.output is not None:
        _check_head(layers.output, findings)
    unmade = only_check and task is None
    namer = Namer(made[0] if macros.named or not unmade else (), findings)
    if findings.errors > errors or unmade:
        return None
    network = _network(node.name.text, settings, layers, namer, made[1])
    if task is not None:
        from neural_dsl.resolve.tasks import reading
        from neural_dsl.rules.learning import check_training

        network = replace(network, task=reading(task, network.inputs))
        check_training(network, task, findings)
    return network if findings.errors == errors else None


def _network(
    name: str, settings: Settings, layers: LayerResolver, namer: Namer, flow: Flow
) -> Network:
    body, output, inputs = namer.named(), flow.streams[0].tensor, list[Input]()
    for each in layers.inputs.values():
        sizes = [n for source, n in layers.reads if source == each.name and n]
        assert each.tensor is not None and each.span is not None
        size = min(sizes, default=None)
        inputs.append(Input(each.name, each.tensor, size, each.span))
    search = []
    for ordinal, made in layers.findings.searches.values():
        value = made()
        if ordinal is not None:  # names are known only now
            value = replace(value, place=f"{namer.names[ordinal]}.{value.place}")
        search.append(value)
    assert output is not None
    return Network(
        name=name,
        source=layers.findings.source,
        inputs=tuple(inputs),
        body=body,
        output=output,
        output_activation=layers.activation,
        search=tuple(sorted(search, key=lambda value: value.span.start)),
        **{each: getattr(settings, each) for each in KEPT},
    )


def _check_ends(name: syntax.Name, layers: LayerResolver, flow: Flow) -> None:
    """The network must end in one tensor and read every input."""
    if len(flow.streams) > 1:
        message = f"the network ends with {len(flow.streams)} tensors"
        label = "one output is needed"
        help = "join them at the end with `Concatenate()` or `Add()`"
        layers.findings.error("NE036", message, name.span, label, help)
    for unread in layers.inputs.keys() - dict(layers.reads).keys():
        message = f"nothing reads the input `{unread}`"
        help = f"read it in a branch, `{unread}: {{ … }}`, or remove it"
        span = layers.inputs[unread].span or name.span
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
