"""Makes the nodes of the syntax tree: one method for each `->` of the grammar.

A method gets what the parser has for the symbols of its alternative: for a token its
number, for anything else what another method made. Lists grow in place, so a file of
any length is built in linear time, and nothing here calls itself.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any

from neural_dsl.diagnostics import Diagnostics
from neural_dsl.source import Source, Span
from neural_dsl.syntax import nodes
from neural_dsl.syntax.literals import read_number, read_string
from neural_dsl.syntax.roles import DEEPEST
from neural_dsl.syntax.tokens import Tokens

_WORDS = {"true": True, "false": False, "none": None}


class Builder:
    """Node by node; mistakes inside a token (a bad escape, say) are noted on the way."""

    def __init__(self, source: Source, tokens: Tokens, found: Diagnostics):
        self.source = source
        self.tokens = tokens
        self.found = found
        self.span = tokens.span
        self.word_at = tokens.word
        self.groupings: set[int] = set()  # where parentheses around one value start
        self.depths: dict[int, int] = {}  # of the arithmetic that starts somewhere
        self.too_deep = False

    # --- lists ----------------------------------------------------------------------

    def new(self, v: list[Any]) -> list[Any]:
        return []

    def start(self, v: list[Any]) -> list[Any]:
        return v

    def append(self, v: list[Any]) -> Any:
        v[0].append(v[1])
        return v[0]

    def append_second(self, v: list[Any]) -> Any:
        v[0].append(v[2])
        return v[0]

    def skip(self, v: list[Any]) -> Any:
        return v[0]

    # --- the file -------------------------------------------------------------------

    def file(self, v: list[Any]) -> nodes.File:
        return nodes.File(self.source, tuple(v[0]))

    def network(self, v: list[Any]) -> nodes.NetworkNode:
        return nodes.NetworkNode(self.between(v[0], v[4]), self.name(v[1]), tuple(v[3]))

    def define(self, v: list[Any]) -> nodes.Define:
        parameters = next((tuple(part) for part in v[3:-3] if type(part) is list), ())
        span = self.between(v[0], v[-1])
        return nodes.Define(span, self.name(v[1]), parameters, tuple(v[-2]))

    def first_name(self, v: list[Any]) -> list[nodes.Name]:
        return [self.name(v[0])]

    def next_name(self, v: list[Any]) -> Any:
        v[0].append(self.name(v[2]))
        return v[0]

    def name(self, token: int) -> nodes.Name:
        return nodes.Name(self.span(token), self.identifier(token))

    def identifier(self, token: int, skipped: int = 0) -> str:
        """A name as Python reads it, in NFKC, `skipped` characters in front left out.
        Reports NE018 for letters that make no identifier, such as the `²` of `m²`."""
        text = self.word_at(token)[skipped:]
        if text.isascii():
            return text
        normal = unicodedata.normalize("NFKC", text)
        if not (text.isidentifier() and normal.isidentifier()):
            message = f"`{text}` is no name"
            label = "Python takes it for no name"
            help = (
                "a name has letters, digits and `_`, and no digit first: it becomes "
                "a name in the emitted code"
            )
            self.found.error("NE018", message, self.span(token), label, help)
        return normal

    def between(self, first: int, last: int) -> Span:
        return Span(self.tokens.starts[first], self.tokens.ends[last])

    # --- sections -------------------------------------------------------------------

    def input(self, v: list[Any]) -> nodes.InputSection:
        keyword, shapes = self.name(v[0]), v[2]
        inputs: list[nodes.InputDeclaration] = []
        for shape in shapes:
            if isinstance(shape, nodes.Mapping):
                for name, value in shape.entries:
                    span = name.span.to(value.span)
                    inputs.append(nodes.InputDeclaration(span, name, value))
            else:
                inputs.append(nodes.InputDeclaration(shape.span, None, shape))
        span = keyword.span.to(shapes[-1].span)
        return nodes.InputSection(span, keyword, tuple(inputs))

    def input_word(self, v: list[Any]) -> nodes.InputSection:
        return self.input([v[0], v[1], [self.word(v[2:])]])

    def layers(self, v: list[Any]) -> nodes.LayersSection:
        keyword, body = self.name(v[0]), tuple(v[2])
        end = body[-1].span if body else self.span(v[1])
        return nodes.LayersSection(keyword.span.to(end), keyword, body)

    def section(self, v: list[Any]) -> nodes.Setting | nodes.BlockSection:
        key, value = self.name(v[0]), v[2]
        if isinstance(value, nodes.Mapping):
            return self._block(key, value)
        return nodes.Setting(key.span.to(value.span), key, value)

    def block(self, v: list[Any]) -> nodes.BlockSection:
        return self._block(self.name(v[0]), self.mapping(v[1:]))

    def _block(self, keyword: nodes.Name, mapping: nodes.Mapping) -> nodes.BlockSection:
        found = (nodes.Setting(k.span.to(v.span), k, v) for k, v in mapping.entries)
        span = keyword.span.to(mapping.span)
        return nodes.BlockSection(span, keyword, tuple(found))

    # --- layers ---------------------------------------------------------------------

    def bare_layer(self, v: list[Any]) -> nodes.LayerNode:
        return nodes.LayerNode(self.span(v[0]), self.name(v[0]))

    def layer(self, v: list[Any]) -> nodes.LayerNode:
        return nodes.LayerNode(self.between(v[0], v[3]), self.name(v[0]), tuple(v[2]))

    def bare_layer_with_body(self, v: list[Any]) -> nodes.LayerNode:
        span = self.between(v[0], v[3])
        return nodes.LayerNode(span, self.name(v[0]), body=tuple(v[2]))

    def layer_with_body(self, v: list[Any]) -> nodes.LayerNode:
        name, span = self.name(v[0]), self.between(v[0], v[6])
        return nodes.LayerNode(span, name, tuple(v[2]), tuple(v[5]))

    def repeated(self, v: list[Any]) -> Any:
        return replace(v[0], repeat=v[2], span=v[0].span.to(v[2].span))

    def placed(self, v: list[Any]) -> Any:
        return replace(v[0], device=v[2], span=v[0].span.to(v[2].span))

    def repeated_placed(self, v: list[Any]) -> Any:
        return self.placed([self.repeated(v[:3]), *v[3:]])

    def placed_repeated(self, v: list[Any]) -> Any:
        return self.repeated([self.placed(v[:3]), *v[3:]])

    def group(self, v: list[Any]) -> nodes.GroupNode:
        return nodes.GroupNode(self.between(v[0], v[2]), tuple(v[1]))

    repeated_group = repeated

    def branch(self, v: list[Any]) -> nodes.BranchNode:
        return nodes.BranchNode(self.between(v[0], v[4]), self.name(v[0]), tuple(v[3]))

    # --- arguments and settings -----------------------------------------------------

    def argument(self, v: list[Any]) -> nodes.Argument:
        return nodes.Argument(v[0].span, None, v[0])

    def named_argument(self, v: list[Any]) -> nodes.Argument:
        name, value = self.name(v[0]), v[2]
        return nodes.Argument(name.span.to(value.span), name, value)

    def call(self, v: list[Any]) -> nodes.Call:
        return nodes.Call(self.between(v[0], v[3]), self.name(v[0]), tuple(v[2]))

    def call_with_settings(self, v: list[Any]) -> nodes.Call:
        settings = self.mapping(v[1:])
        return nodes.Call(self.between(v[0], v[3]), self.name(v[0]), settings.arguments)

    def mapping(self, v: list[Any]) -> nodes.Mapping:
        return nodes.Mapping(self.between(v[0], v[2]), tuple(v[1]))

    def entry(self, v: list[Any]) -> tuple[nodes.Name, nodes.Value]:
        return self.name(v[0]), v[2]

    def string_entry(self, v: list[Any]) -> tuple[nodes.Name, nodes.Value]:
        key = self.string(v)
        text = unicodedata.normalize("NFKC", str(key.value))
        return nodes.Name(key.span, text), v[2]

    def block_entry(self, v: list[Any]) -> tuple[nodes.Name, nodes.Value]:
        return self.name(v[0]), self.mapping(v[1:])

    # --- values ---------------------------------------------------------------------

    def number(self, v: list[Any]) -> nodes.LiteralValue:
        span = self.span(v[0])
        number = read_number(self.word_at(v[0]))
        if number is None:
            help = "whole numbers go up to 2^63 - 1, other numbers up to 1.7e308"
            self.found.error("NE014", "this number is too large", span, help=help)
        return nodes.LiteralValue(span, number or 0)

    def bad_number(self, v: list[Any]) -> nodes.LiteralValue:
        span = self.span(v[0])
        shown = self.word_at(v[0])[:30]
        help = "write 12, 0.5, .5 or 1e-4; a name cannot begin with a digit"
        self.found.error("NE014", f"`{shown}` is not a number", span, help=help)
        return nodes.LiteralValue(span, 0)

    def string(self, v: list[Any]) -> nodes.LiteralValue:
        span = self.span(v[0])
        text = read_string(self.word_at(v[0]), span.start, self.found)
        return nodes.LiteralValue(span, text)

    def word(self, v: list[Any]) -> nodes.Word | nodes.LiteralValue:
        text, span = self.word_at(v[0]), self.span(v[0])
        if text.lower() in _WORDS:
            return nodes.LiteralValue(span, _WORDS[text.lower()])
        return nodes.Word(span, text)

    def parameter(self, v: list[Any]) -> nodes.MacroParameter:
        return nodes.MacroParameter(self.span(v[0]), self.identifier(v[0], 1))

    def sequence(self, v: list[Any]) -> nodes.Sequence:
        items = tuple(v[1]) if type(v[1]) is list else ()
        return self._sequence(v, items)

    def sequence_of_one(self, v: list[Any]) -> nodes.Sequence:
        return self._sequence(v, (v[1],))

    def sequence_after_first(self, v: list[Any]) -> nodes.Sequence:
        return self._sequence(v, (v[1], *v[3]))

    def _sequence(self, v: list[Any], items: tuple[nodes.Value, ...]) -> nodes.Sequence:
        parenthesis = self.word_at(v[0]) == "("
        span = self.between(v[0], v[-1])
        return nodes.Sequence(span, items, "(" if parenthesis else "[")

    def parenthesized(self, v: list[Any]) -> nodes.Value:
        """`(10)` is a tuple of one; `($a + 1)` only groups, and so does `(10) * 2`."""
        if isinstance(v[1], nodes.Operation):
            span = self.between(v[0], v[2])
            self.depths[span.start] = self.depths.get(v[1].span.start, 0)
            return replace(v[1], span=span)
        self.groupings.add(self.tokens.starts[v[0]])
        return self._sequence(v, (v[1],))

    def operation(self, v: list[Any]) -> nodes.Operation:
        left, right = self._operand(v[0]), self._operand(v[2])
        span = v[0].span.to(v[2].span)
        self._check_depth(v[1], span.start, left, right)
        operator: Any = self.word_at(v[1])
        return nodes.Operation(span, operator, left, right)

    def negative(self, v: list[Any]) -> nodes.Operation | nodes.LiteralValue:
        right = self._operand(v[1])
        span = self.span(v[0]).to(v[1].span)
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
            self.found.error("NE013", message, self.span(token), "one too many", help)
