"""Writes the reference pages from what the program itself knows.

    python docs/make_reference.py

commands.md comes from the commands' own help, layers.md and the table of weights.md from
the catalogue, metrics.md from the registry of metrics, codes.md from the pages that `neural
explain` prints. A test fails when a page is not what this script would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from neural_dsl.attention.metrics import METRICS
from neural_dsl.catalogue import LAYERS, RESIDUAL_CONNECTION, family_of
from neural_dsl.catalogue.activations import ACTIVATIONS
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.catalogue.shapes import show, wanted
from neural_dsl.catalogue.spec import REQUIRED, Example, LayerSpec, Parameter
from neural_dsl.catalogue.tensors import Array, Tensor, Weight
from neural_dsl.cli.program import SECTIONS, program
from neural_dsl.diagnostics.explain import codes, title
from neural_dsl.resolve.kinds import fit

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
        families.setdefault(family_of(spec), []).append(spec)
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
    if spec.ids or spec.ranks is not None:
        yield f"\nReads {'token ids (time,)' if spec.ids else wanted(spec.ranks or ())}."
    if spec.parameters:
        yield "\n| parameter | default | meaning |\n|---|---|---|"
        for parameter in spec.parameters:
            yield (
                f"| `{parameter.name}` | {default(parameter)} "
                f"| {meaning(parameter).replace('|', chr(92) + '|')} |"
            )

    for number, each in enumerate(spec.examples):
        yield f"{'' if number else chr(10)}- {example(spec, each)}"


def example(spec: LayerSpec, each: Example) -> str:
    """`Dense(units=7)`: (10, 16) to (10, 7), 119 trainable numbers."""
    reads = [show(shape) for shape in each.reads]
    if spec.arity == "target" and len(reads) > 1:
        reads[-1] = f"memory {reads[-1]}"
    numbers = f", {each.numbers:,} trainable numbers" if each.numbers else ""
    arrows = f"{' and '.join(reads)} to {show(each.gives)}"
    return f"`{each.written(spec.name)}`: {arrows}{numbers}"


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


def weights() -> str:
    """weights.md with its table of layouts as the catalogue has it."""
    page = (HERE / "weights.md").read_text("utf-8")
    before, _, rest = page.partition(TABLE_BEGINS)
    _, _, after = rest.partition(TABLE_ENDS)
    titles = [BACKENDS[name].title for name in BACKENDS]
    rows = [
        f"| layer | weight | axes | {' | '.join(titles)} |",
        "|---|---|---|---|---|",
    ]
    for spec in LAYERS.values():
        first = spec.name
        for array, names in _arrays(spec).items():
            names_shown = ", ".join(f"`{name}`" for name in names)
            kept = (_kept(array, backend) for backend in BACKENDS)
            rows.append(
                f"| {first} | {names_shown} | {_axes(array.axes)} | {' | '.join(kept)} |"
            )
            first = ""
    table = "\n".join(rows)
    return f"{before}{TABLE_BEGINS}\n{table}\n{TABLE_ENDS}{after}"


TABLE_BEGINS = "<!-- table: written by docs/make_reference.py -->"
TABLE_ENDS = "<!-- end of the table -->"


def _arrays(spec: LayerSpec) -> dict[Array, list[str]]:
    """Each kind of array that a layer's examples own, with the weights of the kind."""
    found: dict[Array, list[str]] = {}
    for each in spec.examples:
        for weight in example_weights(spec, each):
            names = found.setdefault(weight.array, [])
            if weight.name not in names:
                names.append(weight.name)
    return found


def example_weights(spec: LayerSpec, each: Example) -> tuple[Weight, ...]:
    """What the layer of an example owns."""
    inputs = tuple(
        Tensor(shape, "ids" if spec.ids else "float") for shape in each.reads
    )
    given = {
        one.name: fit(one, each.params[one.name])
        if one.name in each.params
        else one.default
        for one in spec.parameters
    }
    return spec.weights(spec.complete(given, inputs), inputs)


def _axes(axes: tuple[str, ...]) -> str:
    return f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"


def _kept(array: Array, backend: str) -> str:
    """`kernel` (in, out); axes only where they come in another order."""
    own = array.on(backend)
    axes = f" {_axes(own.axes)}" if own.axes != array.axes else ""
    return f"`{own.name}`{axes}"


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
    "weights.md": weights,
    "metrics.md": metrics,
    "codes.md": diagnostic_codes,
}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (HERE / name).write_text(write(), encoding="utf-8", newline="\n")
        print(f"wrote docs/{name}")
