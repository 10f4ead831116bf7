"""Makes the nodes of the syntax tree: a row of `NODES` or a method of `Builder` for each
`->` of the grammar.

It gets what the parser has for the symbols of its alternative: for a token its number, for
anything else what was made of it. Lists grow in place, so a file of any length is built in
linear time, and nothing here calls itself.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from neural_dsl.diagnostics import Diagnostics
from neural_dsl.source import Span
from neural_dsl.syntax import nodes
from neural_dsl.syntax.roles import DEEPEST
from neural_dsl.syntax.tokens import Tokens

NODES: dict[str, tuple[Any, tuple[int, ...]]] = {  # the class, and its fields' parts
    "network": (nodes.NetworkNode, (1, 3)),
    "define": (nodes.Define, (1, 2, 4)),
    "layers": (nodes.LayersSection, (0, 2)),
    "group": (nodes.GroupNode, (1,)),
    "branch": (nodes.BranchNode, (0, 3)),
    "named_argument": (nodes.Argument, (0, 2)),
    "call": (nodes.Call, (0, 2)),
    "mapping": (nodes.Mapping, (1,)),
}
_WORDS = {"true": True, "false": False, "none": None}
_ESCAPE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[\s\S])"  # \\ and one more
)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", '"': '"', "'": "'"}


class Builder:
    """Node by node; mistakes inside a token (a bad escape, say) are noted on the way."""

    def __init__(self, tokens: Tokens, found: Diagnostics):
        self.tokens = tokens
        self.found = found
        self.groupings: set[int] = set()  # where parentheses around one value start
        self.depths: dict[int, int] = {}  # of the arithmetic that starts somewhere
        self.too_deep = False

    def rule(self, name: str) -> Callable[[list[Any]], Any]:
        """What makes the node of an alternative."""
        if name in NODES:
            return partial(self._node, *NODES[name])
        method: Callable[[list[Any]], Any] = getattr(self, name)
        return method

    def _node(self, kind: Any, fields: tuple[int, ...], v: list[Any]) -> Any:
        return kind(self.span(v), *(self._field(v[number]) for number in fields))

    def _field(self, part: Any) -> Any:
        if type(part) is int:
            return self.name([part])
        return tuple(part) if type(part) is list else part

    def span(self, v: list[Any]) -> Span:
        """From the first of these tokens and nodes to the last, in a list at the end too."""
        last = v[-1]
        if type(last) is list:
            last = last[-1] if last else v[-2]
        starts, ends = self.tokens.starts, self.tokens.ends
        start = starts[v[0]] if type(v[0]) is int else v[0].span.start
        return Span(start, ends[last] if type(last) is int else last.span.end)

    # --- lists ----------------------------------------------------------------------

    def new(self, v: list[Any]) -> list[Any]:
        return []

    def start(self, v: list[Any]) -> list[Any]:
        return v

    def append(self, v: list[Any]) -> Any:
        v[0].append(v[-1])
        return v[0]

    def skip(self, v: list[Any]) -> Any:
        return v[0]

    def inside(self, v: list[Any]) -> Any:
        return v[1]

    # --- the file, sections and layers ----------------------------------------------

    def file(self, v: list[Any]) -> nodes.File:
        return nodes.File(self.found.source, tuple(v[0]))

    def input(self, v: list[Any]) -> nodes.InputSection:
        inputs: list[nodes.InputDeclaration] = []
        for shape in v[2]:
            named = isinstance(shape, nodes.Mapping)
            for name, value in shape.entries if named else ((None, shape),):
                span = self.span([name or value, value])
                inputs.append(nodes.InputDeclaration(span, name, value))
        return nodes.InputSection(self.span(v), self.name(v), tuple(inputs))

    def section(self, v: list[Any]) -> nodes.Setting | nodes.BlockSection:
        span, key, value = self.span(v), self.name(v), v[-1]
        if not isinstance(value, nodes.Mapping):
            return nodes.Setting(span, key, value)
        found = (nodes.Setting(k.span.to(v.span), k, v) for k, v in value.entries)
        return nodes.BlockSection(span, key, tuple(found))

    def layer(self, v: list[Any]) -> nodes.LayerNode:
        _, given, braces = v
        span, name = self.span([v[0], *given, *braces]), self.name(v)
        arguments = tuple(given[1]) if given else None
        body = tuple(braces[1]) if braces else None
        return nodes.LayerNode(span, name, arguments, body)

    def repeated(self, v: list[Any]) -> Any:
        return replace(v[0], repeat=v[2], span=self.span(v))

    def placed(self, v: list[Any]) -> Any:
        return replace(v[0], device=v[2], span=self.span(v))

    # --- arguments and settings -----------------------------------------------------

    def argument(self, v: list[Any]) -> nodes.Argument:
        return nodes.Argument(v[0].span, None, v[0])

    def call_with_settings(self, v: list[Any]) -> nodes.Call:
        return nodes.Call(self.span(v), self.name(v), v[1].arguments)

    def entry(self, v: list[Any]) -> tuple[nodes.Name, nodes.Value]:
        return self.name(v), v[-1]

    def string_entry(self, v: list[Any]) -> tuple[nodes.Name, nodes.Value]:
        key = self.string(v)
        text = unicodedata.normalize("NFKC", str(key.value))
        return nodes.Name(key.span, text), v[2]

    # --- names, numbers, strings ----------------------------------------------------

    def name(self, v: list[Any]) -> nodes.Name:
        return nodes.Name(self.span(v[:1]), self._identifier(v[0]))

    def parameter(self, v: list[Any]) -> nodes.MacroParameter:
        return nodes.MacroParameter(self.span(v), self._identifier(v[0], 1))

    def word(self, v: list[Any]) -> nodes.Word | nodes.LiteralValue:
        text = self.tokens.word(v[0])
        if text.lower() in _WORDS:
            return nodes.LiteralValue(self.span(v), _WORDS[text.lower()])
        return nodes.Word(self.span(v), text)

    def _identifier(self, token: int, skipped: int = 0) -> str:
        """A name as Python reads it, in NFKC, `skipped` characters in front left out.
        Reports NE018 for letters that make no identifier, such as the `²` of `m²`."""
        text = self.tokens.word(token)[skipped:]
        if text.isascii():
            return text
        normal = unicodedata.normalize("NFKC", text)
        if not (text.isidentifier() and normal.isidentifier()):
            message, label = f"`{text}` is no name", "Python takes it for no name"
            help = (
                "a name has letters, digits and `_`, and no digit first: it becomes "
                "a name in the emitted code"
            )
            self.found.error("NE018", message, self.tokens.span(token), label, help)
        return normal

    def number(self, v: list[Any]) -> nodes.LiteralValue:
        span, digits = self.span(v), self.tokens.word(v[0]).replace("_", "")
        whole, value = digits.isdecimal(), float(digits)
        if whole and value < 1e19:  # int() takes no thousands of digits, zeros or not
            value = int(digits.lstrip("0") or "0")
        if value >= (2**63 if whole else math.inf):
            help = "whole numbers go up to 2^63 - 1, other numbers up to 1.7e308"
            self.found.error("NE014", "this number is too large", span, help=help)
            value = 0
        return nodes.LiteralValue(span, value or 0)  # a zero is whole, `0.0` too

    def bad_number(self, v: list[Any]) -> nodes.LiteralValue:
        span = self.span(v)
        message = f"`{self.tokens.word(v[0])[:30]}` is not a number"
        help = "write 12, 0.5, .5 or 1e-4; a name cannot begin with a digit"
        self.found.error("NE014", message, span, help=help)
        return nodes.LiteralValue(span, 0)

    def string(self, v: list[Any]) -> nodes.LiteralValue:
        text = self.tokens.word(v[0])[1:-1]
        start = self.tokens.starts[v[0]] + 1
        text = _ESCAPE.sub(lambda match: self._unescaped(match, start), text)
        return nodes.LiteralValue(self.span(v[:1]), text)

    def _unescaped(self, match: re.Match[str], start: int) -> str:
        """What an escape stands for; one that is not known is reported (NE015)."""
        escape = match[0]
        if escape[1] in _SIMPLE:
            return _SIMPLE[escape[1]]
        if len(escape) > 2:
            code = int(escape[2:], 16)
            if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF:
                return chr(code)
        message = f"`{escape}` is no escape that strings know"
        help = (
            r"write a backslash as `\\`; known are "
            r"`\n`, `\t`, `\r`, `\0`, `\"`, `\'`, `\x41`, `\u0041` and `\U00000041`"
        )
        span = Span(start + match.start(), start + match.end())
        self.found.error("NE015", message, span, help=help)
        return escape

    # --- sequences and arithmetic ---------------------------------------------------

    def sequence(self, v: list[Any]) -> nodes.Sequence:
        items: list[nodes.Value] = []
        for part in v[1:-1]:
            if type(part) is not int:  # a comma
                items += part if type(part) is list else (part,)
        parenthesis = self.tokens.word(v[0]) == "("
        return nodes.Sequence(self.span(v), tuple(items), "(" if parenthesis else "[")

    def parenthesized(self, v: list[Any]) -> nodes.Value:
        """`(10)` is a tuple of one; `($a + 1)` only groups, and so does `(10) * 2`."""
        span = self.span(v)
        if isinstance(v[1], nodes.Operation):
            self.depths[span.start] = self.depths.get(v[1].span.start, 0)
            return replace(v[1], span=span)
        self.groupings.add(span.start)
        return self.sequence(v)

    def operation(self, v: list[Any]) -> nodes.Operation:
        left, right = self._operand(v[0]), self._operand(v[2])
        span = self.span(v)
        self._check_depth(v[1], span.start, left, right)
        operator: Any = self.tokens.word(v[1])
        return nodes.Operation(span, operator, left, right)

    def negative(self, v: list[Any]) -> nodes.Operation | nodes.LiteralValue:
        span, right = self.span(v), self._operand(v[1])
        if isinstance(right, nodes.LiteralValue) and type(right.value) in (int, float):
            return nodes.LiteralValue(span, -right.value)  # type: ignore[operator]
        self._check_depth(v[0], span.start, right)
        return nodes.Operation(span, "-", None, right)

    def _operand(self, value: nodes.Value) -> nodes.Value:
        if isinstance(value, nodes.Sequence) and value.span.start in self.groupings:
            return value.items[0]
        return value

    def _check_depth(self, token: int, start: int, *operands: nodes.Value) -> None:
        """Keep arithmetic shallow enough for whoever walks the tree (NE013)."""
        depth = 1 + max(self.depths.get(value.span.start, 0) for value in operands)
        self.depths[start] = depth
        if depth > DEEPEST and not self.too_deep:
            self.too_deep = True
            message = f"more than {DEEPEST} operations in one value"
            help = "work the number out, or pass parts of it as macro parameters"
            span = self.tokens.span(token)
            self.found.error("NE013", message, span, "one too many", help)
