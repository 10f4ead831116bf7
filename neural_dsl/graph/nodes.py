"""The model graph: names resolved, macros expanded, shapes and defaults known.

Every later stage (code generation, summary, the architecture picture, the runtimes)
reads only this. The tree keeps what the file's author structured (macros, repeats,
branches, residuals), because the emitted code and the pictures show it.

Every node says what is inside it: `rows` has the rows of nodes (one for a body, one for
each copy or branch, none in a layer), `around` is the same around other rows. So a new
kind of node is a class here, and the walks (`graph.walk`) know it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, ClassVar, TypeAlias

from neural_dsl.catalogue.spec import LayerSpec
from neural_dsl.catalogue.tensors import Attention, Tensor, Weight
from neural_dsl.source import Source, Span


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the expanded network.

    `name` is canonical and unique in the network (see `resolve.naming`); `given_name` says
    that the file chose it by `name="…"`. `inputs` has one tensor, several for Add and
    Concatenate, (target, memory) for a decoder with cross-attention. `passed` says which
    parameters are given as a parameter of the macro around it: units=$width.
    """

    spec: LayerSpec
    name: str
    given_name: bool
    params: Mapping[str, Any]
    inputs: tuple[Tensor, ...]
    output: Tensor
    weights: tuple[Weight, ...]
    attentions: tuple[Attention, ...]
    span: Span
    passed: Mapping[str, str] = field(default_factory=dict)
    rows: ClassVar[Rows] = ()

    @property
    def type(self) -> str:
        """The catalogue's name, `TransformerEncoder`."""
        return self.spec.name

    @property
    def parameter_count(self) -> int:
        """The number of trainable numbers."""
        return sum(prod(weight.shape) for weight in self.weights if weight.trainable)

    def attention_name(self, attention: Attention) -> str:
        """`transformer_encoder` or `transformer_decoder.cross_attention`."""
        return f"{self.name}.{attention.suffix}" if attention.suffix else self.name


@dataclass(frozen=True, slots=True)
class _Around:
    """Something around a body of nodes; `inputs` as for a Layer."""

    body: tuple[Node, ...]
    inputs: tuple[Tensor, ...]
    output: Tensor
    span: Span

    @property
    def rows(self) -> Rows:
        return (self.body,)

    def around(self, rows: Rows) -> Any:
        return replace(self, body=rows[0])


@dataclass(frozen=True, slots=True)
class MacroUse(_Around):
    """One call of a macro, expanded; `passed` as for a Layer. `parameters` are the
    macro's, in its order."""

    macro: str
    parameters: tuple[str, ...] = ()
    passed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Residual(_Around):
    """`ResidualConnection { … }`: body(x) + x."""

    name: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """`… * n`: the n expanded copies, in order. They share no weights."""

    copies: Rows
    span: Span

    @property
    def rows(self) -> Rows:
        return self.copies

    def around(self, rows: Rows) -> Repeat:
        return replace(self, copies=rows)


@dataclass(frozen=True, slots=True)
class Branch:
    """One of several parallel paths. `input` names the network input that it reads, or is
    None when it reads the tensor before the branches."""

    name: str
    input: str | None
    body: tuple[Node, ...]
    output: Tensor
    span: Span


@dataclass(frozen=True, slots=True)
class Branches:
    """Parallel paths; the layer after them takes all their outputs, in this order.

    After branches a TransformerDecoder or a cross-attention reads the last one as the
    target and the first as the memory, and the memory stays readable for the decoders
    and cross-attentions that follow.
    """

    branches: tuple[Branch, ...]
    span: Span

    @property
    def rows(self) -> Rows:
        return tuple(branch.body for branch in self.branches)

    def around(self, rows: Rows) -> Branches:
        pairs = zip(self.branches, rows, strict=True)
        return replace(self, branches=tuple(replace(b, body=row) for b, row in pairs))


Node: TypeAlias = Layer | MacroUse | Repeat | Residual | Branches
Rows: TypeAlias = tuple[tuple[Node, ...], ...]


def everything(nodes: Iterable[Node]) -> Iterator[Node]:
    """Every node at or below these, each before what is inside it."""
    stack = list(reversed(list(nodes)))
    while stack:
        node = stack.pop()
        yield node
        for row in reversed(node.rows):
            stack.extend(reversed(row))


@dataclass(frozen=True, slots=True)
class Input:
    """A network input. `vocabulary` bounds its ids (valid: 0 … vocabulary - 1).

    `name` is "x" or "tokens" style only in emitted code; here it is the declared name,
    or "input" (`input_0`, … when there are several without names).
    """

    name: str
    tensor: Tensor
    vocabulary: int | None
    span: Span

    @property
    def is_sequence(self) -> bool:
        """Whether the first axis is a sequence's length: ids (T,), or vectors (T, d). That
        of an image (height, width, channels) is none."""
        return self.tensor.dtype == "ids" or len(self.tensor.shape) == 2


@dataclass(frozen=True, slots=True)
class Setting:
    """A named thing with parameters: an optimizer, a loss, a schedule, a metric.

    Parameter values are plain Python values, or again Settings (a schedule as a
    learning rate).
    """

    name: str
    params: Mapping[str, Any]
    span: Span


@dataclass(frozen=True, slots=True)
class SearchValue:
    """One `HPO(…)`: where it stands ("dense_0.units"), its kind and arguments, and the
    value that the model is compiled with."""

    place: str
    kind: str
    arguments: Mapping[str, Any]
    chosen: Any
    span: Span


@dataclass(frozen=True)
class Network:
    """A whole, checked model. `output_activation` is what `Output` shows probabilities
    with ("linear" without one); the model itself ends in logits. `train_spans` says
    where the keys of `train` stand."""

    name: str
    source: Source
    inputs: tuple[Input, ...]
    body: tuple[Node, ...]
    output: Tensor
    output_activation: str
    loss: Setting | None
    optimizer: Setting | None
    lr_schedule: Setting | None
    metrics: tuple[Setting, ...]
    train: Mapping[str, Any]
    execution: Mapping[str, Any]
    search: tuple[SearchValue, ...]
    task: Setting | None = None
    train_spans: Mapping[str, Span] = field(default_factory=dict)

    def layers(self) -> Iterator[Layer]:
        """Every layer, in the order of the expanded network."""
        return (node for node in everything(self.body) if isinstance(node, Layer))

    def attentions(self) -> Iterator[tuple[str, Layer, Attention]]:
        """Every attention: its name, its layer, itself. The order counts for `--layer`."""
        for layer in self.layers():
            for attention in layer.attentions:
                yield layer.attention_name(attention), layer, attention

    @property
    def parameter_count(self) -> int:
        """The number of trainable numbers in the whole model."""
        return sum(layer.parameter_count for layer in self.layers())
