"""`--set train.batch_size=64`: settings changed in the text of a file, before anything
reads it. What comes out is a `.neural` file like any other, so every value is checked as
the language checks it, and a run's copy of the file says what the run really used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from unicodedata import normalize

from neural_dsl.catalogue.configuration import EXECUTION, TRAIN
from neural_dsl.catalogue.settings import Table
from neural_dsl.catalogue.spec import Parameter
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.resolve.sections import BLOCKS, SETTINGS
from neural_dsl.resolve.settings import table_of
from neural_dsl.source import Source, Span
from neural_dsl.syntax import nodes
from neural_dsl.syntax.parser import parse, parse_value

BLOCK_PARAMETERS = {"train": TRAIN, "execution": EXECUTION}
# Two keys that say the same thing: giving one takes the other away.
RIVALS = {"epochs": "steps", "steps": "epochs"}


@dataclass(frozen=True)
class Assignment:
    """`train.batch_size=64` taken apart; `key` is "" for a whole section."""

    given: str
    section: str
    key: str
    value: str

    @property
    def canonical(self) -> str:
        """The key of a block under its own name."""
        return _canonical(self.key, BLOCK_PARAMETERS.get(self.section, ()))


def with_settings(
    source: Source, given: Iterable[str], network: str | None = None
) -> Source:
    """The source with each `SECTION.KEY=VALUE` put into the network of that name (the
    last one without a name). Raises NeuralError: NE151 for what is no such assignment,
    and what parsing raises."""
    assignments = [understood(text) for text in given]
    _refuse_rivals(assignments)
    for one in assignments:
        span, words = _place(_network(parse(source), network), one)
        text = source.text[: span.start] + words + source.text[span.end :]
        note = f"{source.note or 'with'} --set {one.given}"
        source = replace(source, text=text, note=note)
    return source


def _refuse_rivals(assignments: Iterable[Assignment]) -> None:
    """Raise NE151 for two settings of which each would take the other away."""
    found: dict[str, str] = {}
    for one in assignments:
        rival = found.get(RIVALS.get(one.canonical, ""))
        if rival is not None:
            message = f"`{rival}` and `{one.given}` both say how long to train"
            raise refusal("NE151", message, help="give one of them")
        if one.section in BLOCK_PARAMETERS:
            found[one.canonical] = one.given


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
    value = value.strip()
    try:
        parse_value(value, Source("--set", value), 0)
    except NeuralError:  # a bare word such as cuda:0
        value = json.dumps(value, ensure_ascii=False)
    return Assignment(given, canonical, key.strip(), value)


def _network(file: nodes.File, name: str | None) -> nodes.NetworkNode:
    """The network that is meant; a wrong name is for the resolver to report."""
    found = [item for item in file.items if isinstance(item, nodes.NetworkNode)]
    if not found:
        raise refusal("NE054", "the file has no network", file.source, Span(0, 0))
    wanted = normalize("NFKC", name or "")
    return next((n for n in found if n.name.text == wanted), found[-1])


def _place(node: nodes.NetworkNode, given: Assignment) -> tuple[Span, str]:
    """Where in the text an assignment goes, and what stands there then."""
    section, value = given.section, given.value
    if section in BLOCK_PARAMETERS:
        entry = f"{given.key}: {value}"
        for block in node.sections:
            if (
                isinstance(block, nodes.BlockSection)
                and BLOCKS.get(block.keyword.text.lower()) == section
            ):
                return _in_block(block, given, entry)
        return _behind(node, (), f"  {section} {{ {entry} }}\n")
    found = None  # `optimizer: …`, `task: …` and the like; some may stand in a block
    for one in node.sections:
        inner = one.settings if isinstance(one, nodes.BlockSection) else ()
        for each in (one, *inner):
            if (
                isinstance(each, nodes.Setting)
                and SETTINGS.get(each.key.text.lower()) == section
            ):
                found = each.value
    if not given.key:
        if found is None:
            return _behind(node, (), f"  {section}: {value}\n")
        return found.span, value
    whole, table = "give it whole", None if section == "metrics" else table_of(section)
    if table is not None:
        whole += f", as in `--set {table.example.replace(': ', '=')}`"
    match found:
        case None:
            raise _refused(given.given, f"the file has no `{section}:`; {whole}")
        case nodes.Word(text=name) | nodes.LiteralValue(value=str(name)) if (
            "(" not in name
        ):
            return found.span, f"{name}({given.key}={value})"
        case nodes.Call():
            return _in_call(found, given, table)
    raise _refused(given.given, whole)


def _in_block(
    block: nodes.BlockSection, given: Assignment, entry: str
) -> tuple[Span, str]:
    """An entry of `train { … }` or `execution { … }`."""
    parameters = BLOCK_PARAMETERS[given.section]
    present = {_canonical(s.key.text, parameters): s for s in block.settings}
    for key in (given.canonical, RIVALS.get(given.canonical)):
        if key in present:
            return present[key].span, entry
    return _behind(block, block.settings, f" {entry}" + " " * (not block.settings))


def _in_call(
    call: nodes.Call, given: Assignment, table: Table | None
) -> tuple[Span, str]:
    """An argument of `Adam(0.001, beta_2=0.98)`."""
    spec = table.find(call.name.text) if table is not None else None
    parameters = spec.parameters if spec is not None else ()
    key = _canonical(given.key, parameters)
    for index, argument in enumerate(call.arguments):
        if argument.name is not None:
            name = _canonical(argument.name.text, parameters)
        else:
            name = parameters[index].name if index < len(parameters) else ""
        if name == key:
            return argument.value.span, given.value
    comma = ", " * bool(call.arguments)
    return _behind(call, call.arguments, f"{comma}{given.key}={given.value}")


def _behind(
    outer: nodes.Node, inside: Sequence[nodes.Node], text: str
) -> tuple[Span, str]:
    """Behind the last of what stands in brackets, or before the closing one."""
    end = inside[-1].span.end if inside else outer.span.end - 1
    return Span(end, end), text


def _canonical(name: str, parameters: Iterable[Parameter]) -> str:
    for parameter in parameters:
        if name.lower() in (parameter.name, *parameter.aliases):
            return parameter.name
    return name


def _refused(given: str, help: str) -> NeuralError:
    return refusal("NE151", f"`--set {given}` changes no setting", help=help)
