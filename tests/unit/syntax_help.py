"""Looking at syntax trees in tests."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.source import Source, Span
from neural_dsl.syntax.nodes import File
from neural_dsl.syntax.parser import parse


def tree(text: str) -> File:
    return parse(Source("test.neural", text))


def errors(text: str) -> list[Diagnostic]:
    """What is wrong with a text, in order; empty when it parses."""
    try:
        tree(text)
    except NeuralError as error:
        return list(error.diagnostics)
    return []


def outline(node: Any, text: str) -> Any:
    """A node without places: what it is and what the text says at its place.

    `Dense(8)` becomes `("LayerNode", "Dense(8)", …fields that are not empty)`.
    """
    if isinstance(node, tuple):
        return [outline(item, text) for item in node]
    if not is_dataclass(node):
        return node
    span: Span = node.span  # type: ignore[attr-defined]
    parts = {
        field.name: outline(getattr(node, field.name), text)
        for field in fields(node)
        if field.name != "span" and getattr(node, field.name) is not None
    }
    return type(node).__name__, text[span.start : span.end], parts


def nodes(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every node below one, with its parent."""
    stack = [(node, None)]
    while stack:
        node, parent = stack.pop()
        if isinstance(node, tuple):
            stack += [(item, parent) for item in node]
        elif is_dataclass(node) and not isinstance(node, (Span, Source)):
            yield node, parent
            stack += [(getattr(node, f.name), node) for f in fields(node)]
