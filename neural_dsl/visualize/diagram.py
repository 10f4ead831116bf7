"""What the architecture picture shows: the model graph, folded into cards and frames.

Repeats are drawn once, with a count: copies made by `*`, and runs of three or more equal
layers (or equal groups of up to eight) that were written out. So a model of a thousand
equal layers is a picture of one card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True)
class Card:
    """One layer, or an input or the output. Cards are equal that look the same but for
    the names of the layers that they stand for, which are copies of one another; `times`
    is 1 where a frame around it carries the count."""

    title: str
    facts: str
    shape: str
    given: str = ""  # a name that the file chose
    family: str = "input"
    times: int = 1
    reads: tuple[Tensor, ...] = ()
    layers: tuple[Layer, ...] = field(default=(), compare=False)

    @property
    def name(self) -> str:
        """The layers, in short."""
        return _names([layer.name for layer in self.layers]) or self.given

    @property
    def count(self) -> str:
        """How many parameters it has."""
        if not self.layers:
            return ""
        count = self.layers[0].parameter_count
        total = "1 parameter" if count == 1 else f"{count:,} parameters"
        return total + " each" * (len(self.layers) > 1 and count > 0)


@dataclass(frozen=True)
class Frame:
    """A macro, a residual connection (with the `names` of its copies), a repeated group,
    or a branch, around its parts.

    Of a branch, `from_trunk` says that it reads what is above it, and `label` what its
    output is to the next layer ("memory").
    """

    kind: str
    items: Items
    times: int = 1
    residual: bool = False
    from_trunk: bool = True
    label: str = ""
    names: tuple[str, ...] = field(default=(), compare=False)

    @property
    def title(self) -> str:
        """What it is called."""
        return self.kind or _names(self.names)


@dataclass(frozen=True)
class Columns:
    """Branches, side by side."""

    columns: tuple[Frame, ...]


Item: TypeAlias = Card | Frame | Columns
Items: TypeAlias = tuple[Item, ...]


def diagram(network: Network) -> Items:
    """The whole picture, from the inputs to the output."""
    inner = [node for node in everything(network.body) if isinstance(node, Branches)]
    named = {branch.input for node in inner for branch in node.branches}
    cards = {entry.name: input_card(entry) for entry in network.inputs}
    above: list[Item] = [card for name, card in cards.items() if name not in named]
    if len(above) > 1:
        parts = [Frame("", (card,), from_trunk=False) for card in above]
        above = [Columns(tuple(parts))]
    activation = network.output_activation
    facts = "logits" if activation == "linear" else f"logits, shown by {activation}"
    result = Card("Result", facts, shape_text(network.output))
    return (*above, *items_of(network.body, cards), result)


def input_card(entry: Input) -> Card:
    """Where data comes in."""
    ids = entry.tensor.dtype == "ids"
    facts = "token ids" if ids else ""
    if ids and entry.vocabulary is not None:
        facts += f" 0 to {entry.vocabulary - 1}"
    return Card("Input", facts, shape_text(entry.tensor), entry.name)


def shape_text(tensor: Tensor) -> str:
    """`(50, 256)`, with `any` for an open length."""
    sizes = ", ".join("any" if size is None else str(size) for size in tensor.shape)
    return f"({sizes},)" if len(tensor.shape) == 1 else f"({sizes})"


def value_text(value: Any) -> str:
    """A parameter's value as the file would say it."""
    plain = value is None or isinstance(value, bool)
    return str(value).lower() if plain else str(value)


def items_of(nodes: Sequence[Node], inputs: Mapping[str, Card]) -> Items:
    """The items of one stretch of the model, what repeats in it folded."""
    parts, found, index = [parts_of(node, inputs) for node in nodes], list[Item](), 0
    while index < len(parts):
        period, times = repeats(parts, index)
        end = index + period * times
        starts = range(index, end, period)
        found += folded([sum(parts[i : i + period], ()) for i in starts])
        index = end
    return _label_columns(found)


def parts_of(node: Node, inputs: Mapping[str, Card]) -> Items:
    """The items of one node."""
    inside = [items_of(row, inputs) for row in node.rows]
    match node:
        case Layer():
            return (layer_card(node),)
        case MacroUse(macro=macro):
            return (Frame(macro, inside[0]),)
        case Residual(name=name):
            return (Frame("", inside[0], residual=True, names=(name,)),)
        case Branches(branches=branches):
            columns = []
            for branch, items in zip(branches, inside, strict=True):
                entry = inputs.get(branch.input or "")
                read = () if entry is None else (entry,)
                column = Frame(branch.name, (*read, *items), from_trunk=not read)
                columns.append(column)
            return (Columns(tuple(columns)),)
        case Repeat():  # arguments may change shapes, so not all copies need be equal
            return sum((folded(list(alike)) for _, alike in groupby(inside)), ())


def folded(copies: Sequence[Items]) -> Items:
    """One item for several repetitions; one alone stays what it is."""
    inside = tuple(merged(each) for each in zip(*copies, strict=True))
    times = len(copies)
    match inside:
        case _ if times == 1:
            return inside
        case (Card(times=1) | Frame(times=1) as only,):
            return (replace(only, times=times),)
    return (Frame("", inside, times),)


def merged(copies: Sequence[Any]) -> Any:
    """One item for equal ones, with the names of all."""
    first = copies[0]
    if len(copies) == 1:
        return first
    match first:
        case Card():
            return replace(
                first, layers=tuple(layer for one in copies for layer in one.layers)
            )
        case Frame():
            pairs = zip(*(one.items for one in copies), strict=True)
            names = tuple(name for one in copies for name in one.names)
            return replace(first, items=tuple(map(merged, pairs)), names=names)
    pairs = zip(*(one.columns for one in copies), strict=True)
    return Columns(tuple(map(merged, pairs)))


def layer_card(layer: Layer) -> Card:
    """The card of one layer."""
    facts = [
        f"{parameter.name} {value_text(layer.params[parameter.name])}"
        for parameter in layer.spec.parameters
        if worth_reading(layer, parameter)
    ]
    if reads_memory(layer):
        facts.append(f"memory {shape_text(layer.inputs[1])}")
    return Card(
        layer.type,
        " · ".join(facts),
        shape_text(layer.output),
        layer.name if layer.given_name else "",
        family_of(layer.spec),
        reads=layer.inputs,
        layers=(layer,),
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
    first, last = (names[0], names[-1]) if names else ("", "")
    stem, _, number = first.rpartition("_")
    if number.isdigit() and last.rpartition("_")[0] == stem:
        last = last.rpartition("_")[2]
    between = {0: "", 1: "", 2: f", {last}"}
    return first + between.get(len(names), f" … {last}")
