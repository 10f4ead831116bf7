"""The syntax tree: what the file says, word for word, each node with its exact span.

Nothing is resolved here: names are as the user spelled them, macros are not expanded,
`$parameters` and arithmetic stand unevaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from neural_dsl.source import Source, Span


@dataclass(frozen=True, slots=True)
class Node:
    """What stands at a place of the text."""

    span: Span


@dataclass(frozen=True, slots=True)
class Name(Node):
    """An identifier as spelled."""

    text: str


@dataclass(frozen=True, slots=True)
class LiteralValue(Node):
    """An int, float, string, boolean (any case) or None (any case)."""

    value: int | float | str | bool | None


@dataclass(frozen=True, slots=True)
class Word(Node):
    """A bare word used as a value: `relu`, `adam`, `mse`."""

    text: str


@dataclass(frozen=True, slots=True)
class MacroParameter(Node):
    """`$units`; `name` leaves out the dollar sign."""

    name: str


@dataclass(frozen=True, slots=True)
class Sequence(Node):
    """`(1, 2)`, `(10)` or `[1, 2]`. `(expr)` in arithmetic is no Sequence: see build."""

    items: tuple[Value, ...]
    brackets: Literal["(", "["]


@dataclass(frozen=True, slots=True)
class Mapping(Node):
    """`{key: value, …}`; keys are names or strings."""

    entries: tuple[tuple[Name, Value], ...]

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The entries as arguments of a call."""
        return tuple(Argument(n.span.to(v.span), n, v) for n, v in self.entries)


@dataclass(frozen=True, slots=True)
class Operation(Node):
    """Arithmetic: `left operator right`; unary minus has `left` None."""

    operator: Literal["+", "-", "*", "/"]
    left: Value | None
    right: Value


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """`value`, `name=value` or `name: value`."""

    name: Name | None
    value: Value


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`ExponentialDecay(0.1, 1000)`, `HPO(choice(32, 64))`, `Dense(10)` as an argument."""

    name: Name
    arguments: tuple[Argument, ...]


Value: TypeAlias = (
    LiteralValue | Word | MacroParameter | Sequence | Mapping | Operation | Call
)


@dataclass(frozen=True, slots=True)
class LayerNode(Node):
    """`Name(arguments) { body } @ device * repeat`; every part but the name is optional.

    `arguments` is None for a bare `Flatten`; `body` is None without braces. A call of a
    macro looks the same and is told apart when names are resolved.
    """

    name: Name
    arguments: tuple[Argument, ...] | None = None
    body: tuple[Statement, ...] | None = None
    repeat: Value | None = None
    device: Value | None = None


@dataclass(frozen=True, slots=True)
class GroupNode(Node):
    """`{ … } * 3` or `[ … ]`: layers in a row, without a name."""

    body: tuple[Statement, ...]
    repeat: Value | None = None


@dataclass(frozen=True, slots=True)
class BranchNode(Node):
    """`image: { … }`: a path of its own, for the input of that name."""

    name: Name
    body: tuple[Statement, ...]


Statement: TypeAlias = LayerNode | GroupNode | BranchNode


@dataclass(frozen=True, slots=True)
class InputDeclaration(Node):
    """One input: `(50, 256)`, `shape(1, 28, 28)` or `image: (28, 28, 1)`."""

    name: Name | None
    shape: Value


@dataclass(frozen=True, slots=True)
class InputSection(Node):
    """`input: …` or `inputs: …`."""

    keyword: Name
    inputs: tuple[InputDeclaration, ...]


@dataclass(frozen=True, slots=True)
class LayersSection(Node):
    """`layers: …`."""

    keyword: Name
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Setting(Node):
    """`key: value`: `loss: "mse"`, `optimizer: Adam(…)`, or an entry of a block."""

    key: Name
    value: Value


@dataclass(frozen=True, slots=True)
class BlockSection(Node):
    """`train { … }`, `training: { … }`, `execution { … }`: settings under one name.

    `optimizer: Adam { … }` is a Setting whose value is a Call with named arguments.
    """

    keyword: Name
    settings: tuple[Setting, ...]


Section: TypeAlias = InputSection | LayersSection | Setting | BlockSection


@dataclass(frozen=True, slots=True)
class Define(Node):
    """`define Block(units, rate) { … }`."""

    name: Name
    parameters: tuple[Name, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class NetworkNode(Node):
    """`network Name { … }`."""

    name: Name
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A whole file, in order."""

    source: Source
    items: tuple[Define | NetworkNode, ...]
