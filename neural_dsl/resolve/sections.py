"""The sections of a network, sorted: inputs, layers, settings, train, execution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

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

    inputs: syntax.InputSection | None = None
    layers: syntax.LayersSection | None = None
    settings: dict[str, syntax.Setting] = field(default_factory=dict)
    blocks: dict[str, syntax.BlockSection] = field(default_factory=dict)

    @classmethod
    def collect(cls, node: syntax.NetworkNode, findings: Findings) -> Sections:
        """Sort the sections of a network. Reports unknown, repeated and missing ones."""
        found, seen = cls(), dict[str, Span]()
        for keyword, section in _lifted(node):
            name = _canonical(section, keyword, findings)
            if name in seen:
                message = f"the section `{keyword.text}` stands twice in this network"
                first, help = seen[name], "merge the two"
                findings.again("NE052", message, keyword.span, first, help, "section")
                continue
            if name:
                seen[name] = keyword.span
            match section:
                case syntax.InputSection():
                    found.inputs = section
                case syntax.LayersSection():
                    found.layers = section
                case syntax.Setting() if name:
                    found.settings[name] = section
                case syntax.BlockSection() if name:
                    found.blocks[name] = section
        network, inputs, layers = node.name, found.inputs, found.layers
        if not inputs.inputs if inputs else "task" not in found.settings:
            message = f"the network `{network.text}` declares no input"
            help = "write for instance `input: (50, 256)`: 50 positions of 256 features"
            findings.error("NE050", message, network.span, "`input:` is missing", help)
        if layers is None or not layers.body:
            message = f"the network `{network.text}` has no layers"
            help = 'write for instance `layers: Dense(64, "relu") Output(10)`'
            span, label = network.span, "`layers:` is missing"
            if layers is not None:
                span, label = layers.keyword.span, "nothing in it"
            findings.error("NE050", message, span, label, help)
        return found


def _lifted(node: syntax.NetworkNode) -> Iterator[tuple[syntax.Name, syntax.Section]]:
    """Keyword and section, a loss or optimizer inside `train { … }` lifted out of it."""
    for section in node.sections:
        if isinstance(section, syntax.Setting):
            yield section.key, section
            continue
        keyword, name = section.keyword, section.keyword.text.lower()
        if isinstance(section, syntax.BlockSection) and BLOCKS.get(name) == "train":
            inside = list(section.settings)
            for each in section.settings:
                if each.key.text.lower() in SETTINGS:
                    inside.remove(each)
                    yield each.key, each
            section = replace(section, settings=tuple(inside))
        yield keyword, section


def _canonical(section: syntax.Section, key: syntax.Name, findings: Findings) -> str:
    """The name of a section; "" after reporting one that there is not."""
    name, written = key.text.lower(), key.text
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
    findings.error(code, message, key.span, label, help)
    return ""
