"""What the architecture picture shows: the model graph, folded into cards and frames.

Repeats are drawn once, with a count: copies made by `*`, and runs of three or more equal
layers (or equal groups of up to eight) that were written out. So a model of a thousand
equal layers is a picture of one card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Any, TypeAlias

from neural_dsl.catalogue import family_of
from neural_dsl.catalogue.spec import REQUIRED, LayerProblem, Parameter
from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.graph.nodes import (
    Branches,
    Input,
    Layer,
    MacroUse,
    Network,
    Node,
    Repeat,
    Residual,
    everything,
)

LONGEST_PERIOD = 8
FEWEST_WRITTEN_OUT = 3

Nodes: TypeAlias = Sequence[Node]


@dataclass(frozen=True)
class Card:
    """One layer, or an input or the output. `layers` are the copies that it stands for;
    `times` is 1 where a frame around it carries the count."""

    title: str
    name: str
    facts: str
    shape: str
    count: str
    family: str
    times: int = 1
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True)
class Frame:
    """A macro, a residual connection, or a repeated group, around its parts."""

    title: str
    items: tuple[Item, ...]
    times: int = 1
    residual: bool = False


@dataclass(frozen=True)
class Column:
    """One branch. `label` is what its output is to the next layer ("memory")."""

    title: str
    items: tuple[Item, ...]
    from_trunk: bool
    label: str = ""


@dataclass(frozen=True)
class Columns:
    """Parallel paths, side by side."""

    columns: tuple[Column, ...]


Item: TypeAlias = Card | Frame | Columns


def diagram(network: Network) -> tuple[Item, ...]:
    """The whole picture, from the inputs to the output."""
    items = list(_Builder(network).items([network.body]))
    named = {
        branch.input
        for node in everything(network.body)
        if isinstance(node, Branches)
        for branch in node.branches
    }
    trunk = [entry for entry in network.inputs if entry.name not in named]
    if len(trunk) == 1:
        items.insert(0, input_card(trunk[0]))
    elif trunk:
        parts = [Column("", (input_card(entry),), False) for entry in trunk]
        items.insert(0, Columns(tuple(parts)))
    return (*items, output_card(network))


def input_card(entry: Input) -> Card:
    """Where data comes in."""
    ids = entry.tensor.dtype == "ids"
    facts = "token ids" if ids else ""
    if ids and entry.vocabulary is not None:
        facts += f" 0 to {entry.vocabulary - 1}"
    return Card("Input", entry.name, facts, shape_text(entry.tensor), "", "input")


def output_card(network: Network) -> Card:
    """What the model gives, and with which activation it is shown."""
    activation = network.output_activation
    facts = "logits" if activation == "linear" else f"logits, shown by {activation}"
    return Card("Result", "", facts, shape_text(network.output), "", "input")


def shape_text(tensor: Tensor) -> str:
    """`(50, 256)`, with `any` for an open length."""
    sizes = ", ".join("any" if size is None else str(size) for size in tensor.shape)
    return f"({sizes},)" if len(tensor.shape) == 1 else f"({sizes})"


def value_text(value: Any) -> str:
    """A parameter's value as the file would say it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value)


def facts_text(layer: Layer) -> str:
    """The parameters worth reading: those that size the layer, and what is not default."""
    shown = []
    for parameter in layer.spec.parameters:
        value = layer.params.get(parameter.name)
        default = parameter.default
        if value is None or (default is None and value == worked_out(layer, parameter)):
            continue
        sizes = parameter.kind == "count" and value != 1
        if default is REQUIRED or sizes or value != default:
            shown.append(f"{parameter.name} {value_text(value)}")
    return " · ".join(shown)


def worked_out(layer: Layer, parameter: Parameter) -> Any:
    """What the parameter would be if the file left it out; None if it must not."""
    try:
        left_out = {**layer.params, parameter.name: None}
        return layer.spec.complete(left_out, layer.inputs).get(parameter.name)
    except LayerProblem:
        return None


class _Builder:
    """Builds items from copies: structurally equal node lists that are drawn as one."""

    def __init__(self, network: Network):
        self.inputs = {entry.name: entry for entry in network.inputs}
        self.known: dict[Any, int] = {}
        self.numbers: dict[int, int] = {}

    def items(self, copies: Sequence[Nodes]) -> tuple[Item, ...]:
        """The items of one stretch of the model; `copies[0]` is the one that is drawn."""
        first, found, index = copies[0], list[Item](), 0
        keys = [self.number(node) for node in first]
        while index < len(first):
            period, times = repeats(keys, index)
            end = index + period * times
            if times > 1:
                parts = [
                    copy[start : start + period]
                    for copy in copies
                    for start in range(index, end, period)
                ]
                found.append(self.folded(parts, times))
            else:
                found += self.node([copy[index] for copy in copies])
            index = end
        return _label_columns(found)

    def folded(self, copies: Sequence[Nodes], times: int) -> Item:
        """One item for `times` repetitions."""
        inside = self.items(copies)
        match inside:
            case (Card(times=1) | Frame(times=1) as only,):
                return replace(only, times=times)
        return Frame("", inside, times)

    def node(self, copies: Sequence[Node]) -> list[Item]:
        """The items of one node."""
        first = copies[0]
        if isinstance(first, Layer):
            return [layer_card([copy for copy in copies if isinstance(copy, Layer)])]
        if isinstance(first, Repeat):
            return self.repeat([copy.rows for copy in copies])
        inside = [
            self.items(rows)
            for rows in zip(*(copy.rows for copy in copies), strict=True)
        ]
        match first:
            case MacroUse(macro=macro):
                return [Frame(macro, inside[0])]
            case Residual():
                names = [copy.name for copy in copies if isinstance(copy, Residual)]
                return [Frame(_names(names), inside[0], residual=True)]
            case Branches(branches=branches):
                columns = []
                for branch, items in zip(branches, inside, strict=True):
                    entry = self.inputs.get(branch.input or "")
                    read = () if entry is None else (input_card(entry),)
                    columns.append(Column(branch.name, (*read, *items), entry is None))
                return [Columns(tuple(columns))]

    def repeat(self, copies: Sequence[Sequence[Nodes]]) -> list[Item]:
        """A `*`: equal neighbours become one item (arguments may change shapes, so not
        all copies need be equal)."""
        found: list[Item] = []
        keys = [tuple(map(self.number, row)) for row in copies[0]]
        for _, alike in groupby(range(len(keys)), keys.__getitem__):
            places = list(alike)
            parts = [rows[place] for rows in copies for place in places]
            if len(places) > 1:
                found.append(self.folded(parts, len(places)))
            else:
                found += self.items(parts)
        return found

    def number(self, node: Node) -> int:
        """Equal for nodes that look the same but for their names."""
        if id(node) not in self.numbers:
            inside = tuple(tuple(map(self.number, row)) for row in node.rows)
            key = (*_own(node), *inside)
            self.numbers[id(node)] = self.known.setdefault(key, len(self.known))
        return self.numbers[id(node)]


def _own(node: Node) -> tuple[Any, ...]:
    """What a node looks like, what is inside it aside."""
    match node:
        case Layer():
            params = tuple((k, repr(v)) for k, v in node.params.items() if k != "name")
            shapes = tuple(tensor.shape for tensor in node.inputs)
            given = node.name if node.given_name else ""
            return ("layer", node.type, given, params, shapes, node.output.shape)
        case MacroUse(macro=macro):
            return ("macro", macro)
        case Branches(branches=branches):
            return ("branches", *((branch.name, branch.input) for branch in branches))
    return (type(node).__name__,)


def layer_card(layers: Sequence[Layer]) -> Card:
    """The card of one layer, or of the copies that it stands for."""
    first = layers[0]
    count = first.parameter_count
    total = "1 parameter" if count == 1 else f"{count:,} parameters"
    memory = ""
    if first.spec.arity == "target" and len(first.inputs) == 2:
        memory = f" · memory {shape_text(first.inputs[1])}"
    return Card(
        title=first.type,
        name=_names([layer.name for layer in layers]),
        facts=(facts_text(first) + memory).removeprefix(" · "),
        shape=shape_text(first.output),
        count=total + (" each" if len(layers) > 1 and count else ""),
        family=family_of(first.spec),
        layers=tuple(layers),
    )


def repeats(keys: Sequence[Any], start: int) -> tuple[int, int]:
    """(period, times) of the group that repeats from `start` on; (1, 1) if none does."""
    best = (1, 1)
    for period in range(1, min(LONGEST_PERIOD, (len(keys) - start) // 2) + 1):
        end = start + period
        while end < len(keys) and keys[end] == keys[end - period]:
            end += 1
        times = (end - start) // period
        if times >= FEWEST_WRITTEN_OUT and period * times > best[0] * best[1]:
            best = (period, times)
    return best


def _label_columns(items: list[Item]) -> tuple[Item, ...]:
    """Say at the ends of branches what the decoder after them takes them for."""
    for index, (item, after) in enumerate(pairwise(items)):
        head = after
        while isinstance(head, Frame) and head.items:
            head = head.items[0]
        if not (isinstance(item, Columns) and isinstance(head, Card) and head.layers):
            continue
        layer = head.layers[0]
        if layer.spec.arity == "target" and len(layer.inputs) == 2:
            columns = list(item.columns)
            columns[0] = replace(columns[0], label="memory")
            columns[-1] = replace(columns[-1], label="target")
            items[index] = Columns(tuple(columns))
    return tuple(items)


def _names(names: Sequence[str]) -> str:
    """`dense_0`; of copies `dense_0, 1`, `dense_0 … 11`, or the first and the last."""
    if len(names) == 1:
        return names[0]
    first, last = names[0], names[-1]
    stem, _, number = first.rpartition("_")
    if number.isdigit() and last.rpartition("_")[0] == stem:
        last = last.rpartition("_")[2]
    return f"{first}, {last}" if len(names) == 2 else f"{first} … {last}"
