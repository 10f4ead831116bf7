"""The sections of a network, sorted: inputs, layers, settings, train, execution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from neural_dsl.graph.findings import Findings
from neural_dsl.resolve.suggestions import did_you_mean
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
BLOCKS = {
    "train": "train",
    "training": "train",
    "training_config": "train",
    "execution": "execution",
    "execute": "execution",
}
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
            canonical = found._canonical(section, keyword, findings)
            if canonical is None:
                continue
            if canonical in seen:
                message = f"the section `{keyword.text}` stands twice in this network"
                first, help = seen[canonical], "merge the two"
                findings.again(
                    "NE052", message, keyword.span, first, help, what="section"
                )
                continue
            seen[canonical] = keyword.span
            found._keep(section, canonical)
        _check_complete(found, findings)
        return found

    def _canonical(
        self, section: syntax.Section, keyword: syntax.Name, findings: Findings
    ) -> str | None:
        name = keyword.text.lower()
        if isinstance(section, syntax.InputSection):
            return "input"
        if isinstance(section, syntax.LayersSection):
            return "layers"
        known = SETTINGS if isinstance(section, syntax.Setting) else BLOCKS
        if name in known:
            return known[name]
        if name in PLANNED:
            message = f"the section `{keyword.text}` is not yet supported"
            label = "known, but not built by this version"
            help = "remove it for now; the rest of the file is understood"
            findings.error("NE061", message, keyword.span, label, help)
        elif name in SETTINGS:
            message = f"`{keyword.text}` takes a value, not a block"
            help = f"write `{keyword.text}: …`"
            findings.error("NE068", message, keyword.span, "a block", help)
        elif name in BLOCKS:
            message = f"`{keyword.text}` takes a block of settings"
            help = f"write `{keyword.text} {{ … }}`"
            findings.error("NE068", message, keyword.span, "a single value", help)
        else:
            message = f"unknown section `{keyword.text}`"
            help = did_you_mean(keyword.text, NAMES)
            findings.error("NE060", message, keyword.span, "no such section", help)
        return None

    def _keep(self, section: syntax.Section, canonical: str) -> None:
        match section:
            case syntax.InputSection():
                self.inputs = section
            case syntax.LayersSection():
                self.layers = section
            case syntax.Setting():
                self.settings[canonical] = section
            case syntax.BlockSection():
                self.blocks[canonical] = section


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
        yield syntax.BlockSection(section.keyword, rest, section.span)


def _check_complete(found: Sections, findings: Findings) -> None:
    """Report a network without layers, or without inputs and a task that gives them."""
    name = found.node.name
    undeclared = found.inputs is None and "task" not in found.settings
    if undeclared or (found.inputs is not None and not found.inputs.inputs):
        message = f"the network `{name.text}` declares no input"
        help = "write for instance `input: (50, 256)`: 50 positions of 256 features"
        findings.error("NE050", message, name.span, "`input:` is missing", help)
    if found.layers is None or not found.layers.body:
        findings.error(
            "NE050",
            f"the network `{name.text}` has no layers",
            name.span if found.layers is None else found.layers.keyword.span,
            label="`layers:` is missing" if found.layers is None else "nothing in it",
            help='write for instance `layers: Dense(64, "relu") Output(10)`',
        )
