"""`--set train.batch_size=64`: settings changed in the text of a file, before anything
reads it. What comes out is a `.neural` file like any other, so every value is checked as
the language checks it, and a run's copy of the file says what the run really used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from unicodedata import normalize

from neural_dsl.catalogue.configuration import EXECUTION, TRAIN
from neural_dsl.catalogue.losses import LOSSES
from neural_dsl.catalogue.optimizers import OPTIMIZERS
from neural_dsl.catalogue.schedules import SCHEDULES
from neural_dsl.catalogue.settings import Table
from neural_dsl.catalogue.spec import Parameter
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.resolve.sections import BLOCKS, SETTINGS
from neural_dsl.source import Source, Span
from neural_dsl.syntax import nodes
from neural_dsl.syntax.parser import parse, parse_value
from neural_dsl.tasks import TASKS

BLOCK_PARAMETERS = {"train": TRAIN, "execution": EXECUTION}
TABLES: dict[str, Table] = {
    "optimizer": OPTIMIZERS,
    "loss": LOSSES,
    "lr_schedule": SCHEDULES,
    "task": TASKS,
}
# Two keys that say the same thing: giving one takes the other away.
RIVALS = {"epochs": "steps", "steps": "epochs"}


@dataclass(frozen=True)
class Assignment:
    """`train.batch_size=64` taken apart; `key` is "" for a whole section."""

    given: str
    section: str
    key: str
    value: str


def with_settings(
    source: Source, given: Iterable[str], network: str | None = None
) -> Source:
    """The source with each `SECTION.KEY=VALUE` put into the network of that name (the
    last one without a name). Raises NeuralError: NE151 for what is no such assignment,
    and what parsing raises."""
    assignments = [(text, understood(text)) for text in given]
    _refuse_rivals(assignments)
    for text, assignment in assignments:
        node = _network(parse(source), network)
        if assignment.section in BLOCK_PARAMETERS:
            source = _in_block(source, node, assignment)
        else:
            source = _in_setting(source, node, assignment)
        source = replace(source, note=f"{source.note or 'with'} --set {text}")
    return source


def _refuse_rivals(assignments: Iterable[tuple[str, Assignment]]) -> None:
    """Raise NE151 for two settings of which each would take the other away."""
    found: dict[str, str] = {}
    for text, assignment in assignments:
        if assignment.section not in BLOCK_PARAMETERS:
            continue
        key = _canonical(assignment.key, BLOCK_PARAMETERS[assignment.section])
        rival = found.get(RIVALS.get(key, ""))
        if rival is not None:
            raise refusal(
                "NE151",
                f"`{rival}` and `{text}` both say how long to train",
                help="give one of them",
            )
        found[key] = text


def understood(given: str) -> Assignment:
    """An assignment with its section's canonical name and a value that parses."""
    place, equals, value = given.partition("=")
    section, _, key = place.strip().partition(".")
    if not equals or not section or not value.strip():
        raise _refused(
            given, "write `--set SECTION.KEY=VALUE`, as in `--set train.batch_size=64`"
        )
    known = {**SETTINGS, **BLOCKS}
    canonical = known.get(section.lower())
    if canonical is None:
        guess = closest(section, known)
        meant = f"did you mean `{guess}`? " if guess else ""
        listed = ", ".join(dict.fromkeys(known.values()))
        raise _refused(given, f"{meant}sections: {listed}")
    if canonical in BLOCK_PARAMETERS and not key:
        raise _refused(given, f"say which setting, as in `--set {section}.KEY={value}`")
    return Assignment(given, canonical, key.strip(), _value(value.strip()))


def _value(text: str) -> str:
    """A value as the language writes it; bare words such as cuda:0 are quoted."""
    try:
        parse_value(text, Source("--set", text), 0)
    except NeuralError:
        return json.dumps(text, ensure_ascii=False)
    return text


def _network(file: nodes.File, name: str | None) -> nodes.NetworkNode:
    """The network that is meant; a wrong name is for the resolver to report."""
    found = [item for item in file.items if isinstance(item, nodes.NetworkNode)]
    if not found:
        raise refusal("NE054", "the file has no network", file.source, Span(0, 0))
    wanted = normalize("NFKC", name or "")
    return next((n for n in found if n.name.text == wanted), found[-1])


def _in_block(source: Source, node: nodes.NetworkNode, given: Assignment) -> Source:
    """Change or add an entry of `train { … }` or `execution { … }`."""
    parameters = BLOCK_PARAMETERS[given.section]
    key = _canonical(given.key, parameters)
    entry = f"{given.key}: {given.value}"
    for section in node.sections:
        if not isinstance(section, nodes.BlockSection):
            continue
        if BLOCKS.get(section.keyword.text.lower()) != given.section:
            continue
        present = {_canonical(s.key.text, parameters): s for s in section.settings}
        replaced = present.get(key) or present.get(RIVALS.get(key, ""))
        if replaced is not None:
            return _edited(source, replaced.span, entry)
        if section.settings:
            end = section.settings[-1].span.end
            return _edited(source, Span(end, end), f" {entry}")
        end = section.span.end - 1
        return _edited(source, Span(end, end), f" {entry} ")
    return _new_section(source, node, f"{given.section} {{ {entry} }}")


def _in_setting(source: Source, node: nodes.NetworkNode, given: Assignment) -> Source:
    """Change or add `optimizer: …`, `task: …` and the like, or one of its parameters."""
    found = None
    for section in node.sections:
        inner = section.settings if isinstance(section, nodes.BlockSection) else ()
        for setting in (section, *inner):
            if (
                isinstance(setting, nodes.Setting)
                and SETTINGS.get(setting.key.text.lower()) == given.section
            ):
                found = setting
    if not given.key:
        if found is None:
            return _new_section(source, node, f"{given.section}: {given.value}")
        return _edited(source, found.value.span, given.value)
    whole = (
        f"give it whole, as in `--set {TABLES[given.section].example.replace(': ', '=')}`"
        if given.section in TABLES
        else "give it whole"
    )
    if found is None:
        raise _refused(given.given, f"the file has no `{given.section}:`; {whole}")
    match found.value:
        case nodes.Word(text=name):
            return _edited(
                source, found.value.span, f"{name}({given.key}={given.value})"
            )
        case nodes.LiteralValue(value=str(name)) if "(" not in name:
            return _edited(
                source, found.value.span, f"{name}({given.key}={given.value})"
            )
        case nodes.Call() as call:
            return _in_call(source, call, given)
    raise _refused(given.given, whole)


def _in_call(source: Source, call: nodes.Call, given: Assignment) -> Source:
    """Change or add one argument of `Adam(0.001, beta_2=0.98)`."""
    spec = (
        TABLES[given.section].find(call.name.text) if given.section in TABLES else None
    )
    parameters = spec.parameters if spec is not None else ()
    key = _canonical(given.key, parameters)
    for index, argument in enumerate(call.arguments):
        if argument.name is not None:
            name = _canonical(argument.name.text, parameters)
        else:
            name = parameters[index].name if index < len(parameters) else ""
        if name == key:
            return _edited(source, argument.value.span, given.value)
    entry = f"{given.key}={given.value}"
    if call.arguments:
        end = call.arguments[-1].span.end
        return _edited(source, Span(end, end), f", {entry}")
    end = call.span.end - 1
    return _edited(source, Span(end, end), entry)


def _canonical(name: str, parameters: Iterable[Parameter]) -> str:
    for parameter in parameters:
        if name.lower() in (parameter.name, *parameter.aliases):
            return parameter.name
    return name


def _new_section(source: Source, node: nodes.NetworkNode, text: str) -> Source:
    """The source with one more section at the end of the network."""
    end = node.span.end - 1
    return _edited(source, Span(end, end), f"  {text}\n")


def _edited(source: Source, span: Span, text: str) -> Source:
    changed = source.text[: span.start] + text + source.text[span.end :]
    return replace(source, text=changed)


def _refused(given: str, help: str) -> NeuralError:
    return refusal("NE151", f"`--set {given}` changes no setting", help=help)
