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
    count: str = ""
    family: str = "input"
    times: int = 1
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True)
class Frame:
    """A macro, a residual connection, a repeated group, or a branch, around its parts.

    Of a branch, `from_trunk` says that it reads what is above it, and `label` what its
    output is to the next layer ("memory").
    """

    title: str
    items: tuple[Item, ...]
    times: int = 1
    residual: bool = False
    from_trunk: bool = True
    label: str = ""


@dataclass(frozen=True)
class Columns:
    """Branches, side by side."""

    columns: tuple[Frame, ...]


Item: TypeAlias = Card | Frame | Columns


def diagram(network: Network) -> tuple[Item, ...]:
    """The whole picture, from the inputs to the output."""
    inner = [node for node in everything(network.body) if isinstance(node, Branches)]
    named = {branch.input for node in inner for branch in node.branches}
    trunk = [input_card(one) for one in network.inputs if one.name not in named]
    above: list[Item] = [*trunk]
    if len(trunk) > 1:
        parts = [Frame("", (card,), from_trunk=False) for card in trunk]
        above = [Columns(tuple(parts))]
    activation = network.output_activation
    facts = "logits" if activation == "linear" else f"logits, shown by {activation}"
    result = Card("Result", "", facts, shape_text(network.output))
    return (*above, *_Builder(network).items([network.body]), result)


def input_card(entry: Input) -> Card:
    """Where data comes in."""
    ids = entry.tensor.dtype == "ids"
    facts = "token ids" if ids else ""
    if ids and entry.vocabulary is not None:
        facts += f" 0 to {entry.vocabulary - 1}"
    return Card("Input", entry.name, facts, shape_text(entry.tensor))


def shape_text(tensor: Tensor) -> str:
    """`(50, 256)`, with `any` for an open length."""
    sizes = ", ".join("any" if size is None else str(size) for size in tensor.shape)
    return f"({sizes},)" if len(tensor.shape) == 1 else f"({sizes})"


def value_text(value: Any) -> str:
    """A parameter's value as the file would say it."""
    plain = value is None or isinstance(value, bool)
    return str(value).lower() if plain else str(value)


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
                places = range(index, end, period)
                parts = [copy[at : at + period] for copy in copies for at in places]
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

    def node(self, copies: Sequence[Any]) -> list[Item]:
        first: Node = copies[0]
        if isinstance(first, Layer):
            return [layer_card(copies)]
        if isinstance(first, Repeat):
            return self.repeat([copy.rows for copy in copies])
        rows = zip(*(copy.rows for copy in copies), strict=True)
        inside = [self.items(row) for row in rows]
        match first:
            case MacroUse(macro=macro):
                return [Frame(macro, inside[0])]
            case Residual():
                names = _names([copy.name for copy in copies])
                return [Frame(names, inside[0], residual=True)]
            case Branches(branches=branches):
                columns = []
                for branch, items in zip(branches, inside, strict=True):
                    entry = self.inputs.get(branch.input or "")
                    read = () if entry is None else (input_card(entry),)
                    column = Frame(branch.name, (*read, *items), from_trunk=not read)
                    columns.append(column)
                return [Columns(tuple(columns))]

    def repeat(self, copies: Sequence[Sequence[Nodes]]) -> list[Item]:
        """A `*`: equal neighbours become one item (arguments may change shapes, so not
        all copies need be equal)."""
        found: list[Item] = []
        keys = [tuple(map(self.number, row)) for row in copies[0]]
        for _, alike in groupby(range(len(keys)), keys.__getitem__):
            places = list(alike)
            parts = [rows[place] for rows in copies for place in places]
            several = len(places) > 1
            found += [self.folded(parts, len(places))] if several else self.items(parts)
        return found

    def number(self, node: Node) -> int:
        """Equal for nodes that look the same but for their names."""
        if id(node) not in self.numbers:
            looks: tuple[Any, ...] = ()
            match node:
                case Layer(params=params):
                    given = node.name if node.given_name else ""
                    values = [(k, repr(v)) for k, v in params.items() if k != "name"]
                    shapes = [tensor.shape for tensor in (*node.inputs, node.output)]
                    looks = (node.type, given, *values, *shapes)
                case MacroUse(macro=macro):
                    looks = (macro,)
                case Branches(branches=branches):
                    looks = tuple((branch.name, branch.input) for branch in branches)
            inside = tuple(tuple(map(self.number, row)) for row in node.rows)
            key = (type(node), looks, inside)
            self.numbers[id(node)] = self.known.setdefault(key, len(self.known))
        return self.numbers[id(node)]


def layer_card(layers: Sequence[Layer]) -> Card:
    first = layers[0]
    facts = [
        f"{parameter.name} {value_text(first.params[parameter.name])}"
        for parameter in first.spec.parameters
        if worth_reading(first, parameter)
    ]
    if reads_memory(first):
        facts.append(f"memory {shape_text(first.inputs[1])}")
    count = first.parameter_count
    total = "1 parameter" if count == 1 else f"{count:,} parameters"
    return Card(
        first.type,
        _names([layer.name for layer in layers]),
        " · ".join(facts),
        shape_text(first.output),
        total + " each" * (len(layers) > 1 and count > 0),
        family_of(first.spec),
        layers=tuple(layers),
    )


def reads_memory(layer: Layer) -> bool:
    """Whether it attends to another sequence."""
    return layer.spec.arity == "target" and len(layer.inputs) == 2


def worth_reading(layer: Layer, parameter: Parameter) -> bool:
    """Whether a parameter sizes the layer, or is not what the file need not have said."""
    value, default = layer.params.get(parameter.name), parameter.default
    if value is None:
        return False
    if default is None:  # worked out, where the file may leave it out
        left_out = {**layer.params, parameter.name: None}
        try:
            default = layer.spec.complete(left_out, layer.inputs).get(parameter.name)
        except LayerProblem:
            return True
        return bool(value != default)
    sizes = parameter.kind == "count" and value != 1
    return default is REQUIRED or sizes or bool(value != default)


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
    for index, (item, head) in enumerate(pairwise(items)):
        while isinstance(head, Frame) and head.items:
            head = head.items[0]
        if not (isinstance(item, Columns) and isinstance(head, Card) and head.layers):
            continue
        if reads_memory(head.layers[0]):
            columns = list(item.columns)
            columns[0] = replace(columns[0], label="memory")
            columns[-1] = replace(columns[-1], label="target")
            items[index] = Columns(tuple(columns))
    return tuple(items)


def _names(names: Sequence[str]) -> str:
    """`dense_0`; of copies `dense_0, 1`, `dense_0 … 11`, or the first and the last."""
    first, last = names[0], names[-1]
    stem, _, number = first.rpartition("_")
    if number.isdigit() and last.rpartition("_")[0] == stem:
        last = last.rpartition("_")[2]
    between = {1: "", 2: f", {last}"}
    return first + between.get(len(names), f" … {last}")
