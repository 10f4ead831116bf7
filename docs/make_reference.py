"""Writes the reference pages from what the program itself knows.

    python docs/make_reference.py

commands.md comes from the commands' own help, layers.md from the catalogue, metrics.md
from the registry of metrics, codes.md from the pages that `neural explain` prints. A test
fails when a page is not what this script would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from neural_dsl.attention.metrics import METRICS
from neural_dsl.catalogue import LAYERS, RESIDUAL_CONNECTION
from neural_dsl.catalogue.activations import ACTIVATIONS
from neural_dsl.catalogue.spec import REQUIRED, LayerSpec, Parameter
from neural_dsl.cli.program import SECTIONS, program
from neural_dsl.diagnostics.explain import codes, title

HERE = Path(__file__).parent
NOTE = "<!-- Written by docs/make_reference.py; do not edit. -->\n"


def commands() -> str:
    """Every command's help, in the order of `neural --help`."""
    context = click.Context(
        program,
        info_name="neural",
        terminal_width=96,
        help_option_names=["-h", "--help"],
    )
    parts = [
        "# Commands\n",
        NOTE,
        "Exit codes: 0 done; 1 the input was refused, with diagnostics on stderr; 2 the "
        "command line was\nwrong. Results go to stdout, everything else to stderr.\n",
    ]
    for section, entries in SECTIONS.items():
        parts.append(f"## {section}\n")
        for name in entries:
            command = program.get_command(context, name)
            assert command is not None
            inner = click.Context(command, info_name=name, parent=context)
            parts.append(
                f"### neural {name}\n\n```text\n{command.get_help(inner)}\n```\n"
            )
    return "\n".join(parts)


def layers() -> str:
    """Every layer with its parameters, by family."""
    families: dict[str, list[LayerSpec]] = {}
    for spec in (*LAYERS.values(), RESIDUAL_CONNECTION):
        families.setdefault(spec.family, []).append(spec)
    parts = [
        "# Layers\n",
        NOTE,
        "Positional arguments come in the order of the table. Every layer also takes "
        '`name="…"`. Names of layers\nand choices may be written in any case.\n',
    ]
    for family, specs in families.items():
        parts.append(f"## {family.capitalize()}\n")
        for spec in specs:
            parts.append("\n".join(layer(spec)) + "\n")
    parts.append("## Activations\n\n| name | also | meaning |\n|---|---|---|")
    for activation in ACTIVATIONS.values():
        also = ", ".join(f"`{alias}`" for alias in activation.aliases)
        formula = activation.formula.replace("|", "\\|")
        parts.append(f"| `{activation.name}` | {also} | {formula} |")
    return "\n".join(parts) + "\n"


def layer(spec: LayerSpec) -> Iterator[str]:
    """One layer's part of layers.md."""
    yield f"### {spec.name}\n"
    yield spec.doc
    if spec.aliases:
        yield "\nAlso called " + ", ".join(f"`{alias}`" for alias in spec.aliases) + "."
    if spec.parameters:
        yield "\n| parameter | default | meaning |\n|---|---|---|"
        for parameter in spec.parameters:
            yield (
                f"| `{parameter.name}` | {default(parameter)} "
                f"| {meaning(parameter).replace('|', chr(92) + '|')} |"
            )


def default(parameter: Parameter) -> str:
    """The default as a file would write it."""
    if parameter.default is REQUIRED:
        return "required"
    if parameter.default is None:
        return ""
    if isinstance(parameter.default, bool):
        return f"`{str(parameter.default).lower()}`"
    if isinstance(parameter.default, str):
        return f'`"{parameter.default}"`'
    return f"`{parameter.default}`"


def meaning(parameter: Parameter) -> str:
    """What a parameter does, with its choices and its other names."""
    text = parameter.doc
    if parameter.choices:
        choices = ", ".join(f'`"{name}"`' for name in dict.fromkeys(parameter.choices))
        text += f" ({choices})"
    if parameter.aliases:
        text += "; also " + ", ".join(f"`{alias}`" for alias in parameter.aliases)
    return text


def metrics() -> str:
    """Every metric with its definition."""
    rows = [
        "# Metrics\n",
        NOTE,
        "What `attention_metrics.json` says of every head. A is the head's matrix, i a "
        "query, j a key, n_i the number\nof keys that query i may attend to. Padded "
        "queries are left out, masked keys never counted. A value is the mean\nover "
        "rows, then over the batch; what is undefined is null.\n",
        "| metric | unit | definition |\n|---|---|---|",
    ]
    for metric in METRICS.values():
        doc = " ".join(metric.doc.split()).replace("|", "\\|")
        rows.append(f"| `{metric.name}` | {metric.unit} | {doc} |")
    return "\n".join(rows) + "\n"


def diagnostic_codes() -> str:
    """Every code with its title, linked to its page."""
    pages = "../neural_dsl/diagnostics/pages"
    rows = [
        "# Diagnostic codes\n",
        NOTE,
        "`neural explain CODE` prints the page.\n",
        "| code | |\n|---|---|",
    ]
    rows += [f"| [{code}]({pages}/{code}.md) | {title(code)} |" for code in codes()]
    return "\n".join(rows) + "\n"


PAGES = {
    "commands.md": commands,
    "layers.md": layers,
    "metrics.md": metrics,
    "codes.md": diagnostic_codes,
}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (HERE / name).write_text(write(), encoding="utf-8", newline="\n")
        print(f"wrote docs/{name}")
