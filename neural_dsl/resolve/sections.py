"""The sections of a network, sorted: inputs, layers, settings, train, execution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from neural_dsl.diagnostics.suggest import did_you_mean
from neural_dsl.graph.findings import Findings
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax

SETTINGS = {
    "loss": "loss",
    "optimizer": "optimizer",
    "lr_schedule": "lr_schedule",
    "learning_rate_schedule": "lr_schedule",
    "metrics": "metrics",
    "metric": "metrics",
    "task": "task",
}
BLOCKS = dict.fromkeys(("train", "training", "training_config"), "train")
BLOCKS |= dict.fromkeys(("execution", "execute"), "execution")
"""What the sections may be called -> their names here."""
PLANNED = ("data", "dataset")
NAMES = ("input", "inputs", "layers", *SETTINGS, *BLOCKS)


@dataclass
class Sections:
    """What a network declares; None where it does not. Keys are canonical names."""

    node: syntax.NetworkNode
    inputs: syntax.InputSection | None = None
    layers: syntax.LayersSection | None = None
    settings: dict[str, syntax.Setting] = field(default_factory=dict)
    blocks: dict[str, syntax.BlockSection] = field(default_factory=dict)

    @classmethod
    def collect(cls, node: syntax.NetworkNode, findings: Findings) -> Sections:
        """Sort the sections of a network. Reports unknown, repeated and missing ones."""
        found = cls(node)
        seen: dict[str, Span] = {}
        for section in _lifted(node.sections):
            keyword = (
                section.key if isinstance(section, syntax.Setting) else section.keyword
            )
            canonical = _canonical(section, keyword, findings)
            if canonical in seen:
                message = f"the section `{keyword.text}` stands twice in this network"
                first, what = seen[canonical], "section"
                findings.again(
                    "NE052", message, keyword.span, first, "merge the two", what
                )
            elif canonical is not None:
                seen[canonical] = keyword.span
                match section:
                    case syntax.InputSection():
                        found.inputs = section
                    case syntax.LayersSection():
                        found.layers = section
                    case syntax.Setting():
                        found.settings[canonical] = section
                    case syntax.BlockSection():
                        found.blocks[canonical] = section
        _check_complete(found, findings)
        return found


def _canonical(
    section: syntax.Section, keyword: syntax.Name, findings: Findings
) -> str | None:
    """The name of a section; None after reporting one that there is not."""
    name, written = keyword.text.lower(), keyword.text
    if isinstance(section, syntax.InputSection):
        return "input"
    if isinstance(section, syntax.LayersSection):
        return "layers"
    known = SETTINGS if isinstance(section, syntax.Setting) else BLOCKS
    if name in known:
        return known[name]
    code, label = "NE068", "a single value"
    if name in PLANNED:
        code, message = "NE061", f"the section `{written}` is not yet supported"
        label = "known, but not built by this version"
        help = "remove it for now; the rest of the file is understood"
    elif name in SETTINGS:
        message, label = f"`{written}` takes a value, not a block", "a block"
        help = f"write `{written}: …`"
    elif name in BLOCKS:
        message = f"`{written}` takes a block of settings"
        help = f"write `{written} {{ … }}`"
    else:
        code, message = "NE060", f"unknown section `{written}`"
        label, help = "no such section", did_you_mean(written, NAMES)
    findings.error(code, message, keyword.span, label, help)
    return None


def _lifted(sections: Iterable[syntax.Section]) -> Iterator[syntax.Section]:
    """The sections, with a loss or optimizer that stands inside `train { … }` lifted out."""
    for section in sections:
        if not isinstance(section, syntax.BlockSection) or (
            BLOCKS.get(section.keyword.text.lower()) != "train"
        ):
            yield section
            continue
        inner = [each for each in section.settings if each.key.text.lower() in SETTINGS]
        yield from inner
        rest = tuple(each for each in section.settings if each not in inner)
        yield syntax.BlockSection(section.span, section.keyword, rest)


def _check_complete(found: Sections, findings: Findings) -> None:
    """Report a network without layers, or without inputs and a task that gives them."""
    name = found.node.name
    undeclared = found.inputs is None and "task" not in found.settings
    if undeclared or (found.inputs is not None and not found.inputs.inputs):
        message = f"the network `{name.text}` declares no input"
        help = "write for instance `input: (50, 256)`: 50 positions of 256 features"
        findings.error("NE050", message, name.span, "`input:` is missing", help)
    if found.layers is None or not found.layers.body:
        message = f"the network `{name.text}` has no layers"
        help = 'write for instance `layers: Dense(64, "relu") Output(10)`'
        span, label = name.span, "`layers:` is missing"
        if found.layers is not None:
            span, label = found.layers.keyword.span, "nothing in it"
        findings.error("NE050", message, span, label, help)
