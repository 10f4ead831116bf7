"""`neural summary`: the layers of a model in a table."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.cli.console import rich_console, say
from neural_dsl.cli.options import checked_network, file_argument, network_option
from neural_dsl.graph.nodes import Branches, Layer, MacroUse, Network, Node, Residual
from neural_dsl.visualize.diagram import shape_text

if TYPE_CHECKING:
    from rich.table import Table

FLOAT32 = 4  # bytes


@click.command(
    epilog="""\b
Examples:
  neural summary model.neural
  neural summary model.neural --network Encoder"""
)
@file_argument
@network_option
def command(file: Path, network: str | None) -> None:
    """Table of FILE's layers: output shape, parameters, memory, attention.

    Memory is that of the layer's weights (float32). The index in the attention column is
    what `neural visualize --attention --layer` takes.
    """
    checked = checked_network(file, network)
    console = rich_console()
    say(f"{checked.name}  ({checked.source.name})")
    console.print(table(checked))
    say(totals(checked))


def table(network: Network) -> Table:
    """One row a layer; macros, blocks and branches as headings above theirs."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    indices: dict[str, list[str]] = {}
    for index, (_, layer, inside) in enumerate(network.attentions()):
        heads = f"{inside.num_heads} head{'s' if inside.num_heads != 1 else ''}"
        indices.setdefault(layer.name, []).append(f"{index}: {heads}, {inside.kind}")
    grid = Table("Layer", box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("Type", style="cyan")
    grid.add_column("Output shape")
    grid.add_column("Parameters", justify="right")
    grid.add_column("Memory", justify="right")
    if indices:
        grid.add_column("Attention")
    for column in grid.columns:
        column.no_wrap = True
    inputs = [(one.name, "input", shown(one.tensor)) for one in network.inputs]
    for cells in (*inputs, *rows(network.body, "", indices)):
        filled = (*cells, "", "", "")[: len(grid.columns)]
        grid.add_row(*(Text(cell) for cell in filled))
    return grid


def rows(
    nodes: tuple[Node, ...], indent: str, indices: dict[str, list[str]]
) -> Iterator[tuple[str, ...]]:
    """The cells of some nodes, indented below their heading."""
    for node in nodes:
        headings: list[tuple[str, str, Tensor] | None] = [None] * len(node.rows)
        match node:
            case Layer():
                size = FLOAT32 * sum(prod(weight.shape) for weight in node.weights)
                yield (
                    indent + node.name,
                    node.type,
                    shown(node.output),
                    f"{node.parameter_count:,}",
                    amount(size) if size else "",
                    "\n".join(indices.get(node.name, [])),
                )
            case MacroUse():
                headings = [(node.macro, "macro", node.output)]
            case Residual():
                headings = [(node.name, "x + …", node.output)]
            case Branches(branches=branches):
                headings = [(one.name, "branch", one.output) for one in branches]
        for heading, row in zip(headings, node.rows, strict=True):
            if heading is not None:
                name, kind, output = heading
                yield indent + name, kind, shown(output)
            yield from rows(row, indent + "  " * (heading is not None), indices)


def totals(network: Network) -> str:
    """The lines below the table."""
    weights = [weight for layer in network.layers() for weight in layer.weights]
    everything = sum(prod(weight.shape) for weight in weights)
    trainable = network.parameter_count
    lines = f"{trainable:,} trainable parameters"
    if everything != trainable:
        lines += f" ({everything - trainable:,} more are not trained)"
    lines += f" · {amount(everything * FLOAT32)} of weights"
    outputs = [layer.output.shape for layer in network.layers()]
    if all(None not in shape for shape in outputs):
        values = sum(prod(size or 1 for size in shape) for shape in outputs)
        lines += f" · {amount(values * FLOAT32)} of layer outputs for one example"
    sizes = []  # heads, queries, keys
    for _, layer, one in network.attentions():
        attended = layer.inputs[-1 if one.kind == "cross" else 0]
        sizes.append((one.num_heads, layer.inputs[0].shape[0], attended.shape[0]))
    if sizes and all(None not in each for each in sizes):
        cells = sum(prod(size or 1 for size in each) for each in sizes)
        lines += f"\n{amount(cells * FLOAT32)} of attention weights for one example"
    return lines


def shown(tensor: Tensor) -> str:
    """`(50, 256)`, `(any, 256)`; token ids say so."""
    return shape_text(tensor) + " ids" * (tensor.dtype == "ids")


def amount(size: int) -> str:
    """Bytes as people read them: `0 B`, `1.3 MB` (powers of ten)."""
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
