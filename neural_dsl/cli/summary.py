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
from neural_dsl.graph.nodes import (
    Branches,
    Layer,
    MacroUse,
    Network,
    Node,
    Residual,
)
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

    indices = attention_indices(network)
    grid = Table("Layer", box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("Type", style="cyan")
    grid.add_column("Output shape")
    grid.add_column("Parameters", justify="right")
    grid.add_column("Memory", justify="right")
    if indices:
        grid.add_column("Attention")
    for column in grid.columns:
        column.no_wrap = True
    for cells in rows(network, indices):
        grid.add_row(*(Text(cell) for cell in cells[: len(grid.columns)]))
    return grid


def rows(network: Network, indices: dict[str, list[str]]) -> Iterator[tuple[str, ...]]:
    """The cells of the table, inputs first."""
    for item in network.inputs:
        yield (item.name, "input", shown(item.tensor), "", "", "")
    yield from body_rows(network.body, 0, indices)


def body_rows(
    nodes: tuple[Node, ...], depth: int, indices: dict[str, list[str]]
) -> Iterator[tuple[str, ...]]:
    """The rows of some nodes, indented below their heading."""
    indent = "  " * depth
    for node in nodes:
        if isinstance(node, Layer):
            size = sum(prod(weight.shape) for weight in node.weights)
            yield (
                indent + node.name,
                node.type,
                shown(node.output),
                f"{node.parameter_count:,}",
                amount(size * FLOAT32) if size else "",
                "\n".join(indices.get(node.name, [])),
            )
            continue
        headings = headings_of(node)
        for heading, row in zip(headings, node.rows, strict=True):
            if heading:
                yield (indent + heading[0], heading[1], shown(heading[2]), "", "", "")
            yield from body_rows(row, depth + bool(heading), indices)


def headings_of(node: Node) -> list[tuple[str, str, Tensor] | None]:
    """Name, type and output above each row of what is inside; None for copies."""
    match node:
        case MacroUse():
            return [(node.macro, "macro", node.output)]
        case Residual():
            return [(node.name, "x + …", node.output)]
        case Branches(branches=branches):
            return [(branch.name, "branch", branch.output) for branch in branches]
    return [None] * len(node.rows)


def attention_indices(network: Network) -> dict[str, list[str]]:
    """Layer name -> what stands in the attention column: "0: 4 heads, causal"."""
    found: dict[str, list[str]] = {}
    for index, (_, layer, attention) in enumerate(network.attentions()):
        heads = f"{attention.num_heads} head{'s' if attention.num_heads != 1 else ''}"
        text = f"{index}: {heads}, {attention.kind}"
        found.setdefault(layer.name, []).append(text)
    return found


def totals(network: Network) -> str:
    """The line below the table."""
    weights = [weight for layer in network.layers() for weight in layer.weights]
    everything = sum(prod(weight.shape) for weight in weights)
    trainable = network.parameter_count
    outputs = [layer.output.shape for layer in network.layers()]
    lines = f"{trainable:,} trainable parameters"
    if everything != trainable:
        lines += f" ({everything - trainable:,} more are not trained)"
    lines += f" · {amount(everything * FLOAT32)} of weights"
    if all(None not in shape for shape in outputs):
        values = sum(prod(size or 1 for size in shape) for shape in outputs)
        lines += f" · {amount(values * FLOAT32)} of layer outputs for one example"
    if matrices := attention_cells(network):
        lines += f"\n{amount(matrices * FLOAT32)} of attention weights for one example"
    return lines


def attention_cells(network: Network) -> int | None:
    """Numbers in all attention matrices for one example; None when a length is open."""
    cells = 0
    for _, layer, attention in network.attentions():
        queries = layer.inputs[0].shape[0]
        keys = layer.inputs[-1].shape[0] if attention.kind == "cross" else queries
        if queries is None or keys is None:
            return None
        cells += attention.num_heads * queries * keys
    return cells


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
