"""The syntax tree: what the file says, word for word, each node with its exact span.

Nothing is resolved here: names are as the user spelled them, macros are not expanded,
`$parameters` and arithmetic stand unevaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from neural_dsl.source import Source, Span


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier as spelled."""

    text: str
    span: Span


# --- values -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LiteralValue:
    """An int, float, string, boolean (any case) or None (any case)."""

    value: int | float | str | bool | None
    span: Span


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word used as a value: `relu`, `adam`, `mse`."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class MacroParameter:
    """`$units`; `name` leaves out the dollar sign."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Sequence:
    """`(1, 2)`, `(10)` or `[1, 2]`. `(expr)` in arithmetic is no Sequence: see parser."""

    items: tuple[Value, ...]
    brackets: Literal["(", "["]
    span: Span


@dataclass(frozen=True, slots=True)
class Mapping:
    """`{key: value, …}`; keys are names or strings."""

    entries: tuple[tuple[Name, Value], ...]
    span: Span

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The entries as arguments of a call."""
        return tuple(Argument(n, v, n.span.to(v.span)) for n, v in self.entries)


@dataclass(frozen=True, slots=True)
class Operation:
    """Arithmetic: `left operator right`; unary minus has `left` None."""

    operator: Literal["+", "-", "*", "/"]
    left: Value | None
    right: Value
    span: Span


@dataclass(frozen=True, slots=True)
class Argument:
    """`value`, `name=value` or `name: value`."""

    name: Name | None
    value: Value
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """`ExponentialDecay(0.1, 1000)`, `HPO(choice(32, 64))`, `Dense(10)` as an argument."""

    name: Name
    arguments: tuple[Argument, ...]
    span: Span


Value: TypeAlias = (
    LiteralValue | Word | MacroParameter | Sequence | Mapping | Operation | Call
)


# --- layers -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LayerNode:
    """`Name(arguments) { body } @ device * repeat`; every part but the name is optional.

    `arguments` is None for a bare `Flatten`; `body` is None without braces. A call of a
    macro looks the same and is told apart when names are resolved.
    """

    name: Name
    arguments: tuple[Argument, ...] | None
    body: tuple[Statement, ...] | None
    repeat: Value | None
    device: Value | None
    span: Span


@dataclass(frozen=True, slots=True)
class GroupNode:
    """`{ … } * 3` or `[ … ]`: layers in a row, without a name."""

    body: tuple[Statement, ...]
    repeat: Value | None
    span: Span


@dataclass(frozen=True, slots=True)
class BranchNode:
    """`image: { … }`: a path of its own, for the input of that name."""

    name: Name
    body: tuple[Statement, ...]
    span: Span


Statement: TypeAlias = LayerNode | GroupNode | BranchNode


# --- sections -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InputDeclaration:
    """One input: `(50, 256)`, `shape(1, 28, 28)` or `image: (28, 28, 1)`."""

    name: Name | None
    shape: Value
    span: Span


@dataclass(frozen=True, slots=True)
class InputSection:
    """`input: …` or `inputs: …`."""

    keyword: Name
    inputs: tuple[InputDeclaration, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class LayersSection:
    """`layers: …`."""

    keyword: Name
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Setting:
    """`key: value`: `loss: "mse"`, `optimizer: Adam(…)`, or an entry of a block."""

    key: Name
    value: Value
    span: Span


@dataclass(frozen=True, slots=True)
class BlockSection:
    """`train { … }`, `training: { … }`, `execution { … }`: settings under one name.

    `optimizer: Adam { … }` is a Setting whose value is a Call with named arguments.
    """

    keyword: Name
    settings: tuple[Setting, ...]
    span: Span


Section: TypeAlias = InputSection | LayersSection | Setting | BlockSection


# --- the file -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Define:
    """`define Block(units, rate) { … }`."""

    name: Name
    parameters: tuple[Name, ...]
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class NetworkNode:
    """`network Name { … }`."""

    name: Name
    sections: tuple[Section, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class File:
    """A whole file, in order."""

    source: Source
    items: tuple[Define | NetworkNode, ...]
