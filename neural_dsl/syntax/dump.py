"""The syntax tree as text, for `neural compile --emit syntax` and for golden tests.

One line a node, with the place that it covers, indented by structure:

    NetworkNode 1:1-8:2
      name: A 1:9-1:10
      sections:
        LayersSection 3:3-5:14

The same tree always gives the same text. Works with a stack of its own, so that a tree
may be deeper than Python's recursion limit.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from neural_dsl.source import Source, Span
from neural_dsl.syntax.nodes import File, Name

INDENT = "  "


def dump(file: File) -> str:
    """The whole tree, top to bottom."""
    lines: list[str] = []
    # What is still to be written, last first: (depth, what stands before it, value).
    rest: list[tuple[int, str, Any]] = [(0, "", item) for item in reversed(file.items)]
    while rest:
        depth, label, value = rest.pop()
        text, children = line(value, file.source)
        lines.append(f"{INDENT * depth}{label}{text}".rstrip())
        rest += [(depth + 1, name, child) for name, child in reversed(children)]
    return "\n".join(lines) + "\n"


def line(value: Any, source: Source) -> tuple[str, list[tuple[str, Any]]]:
    """One value in one line, and what goes below it (label, value)."""
    if isinstance(value, Name):
        return f"{value.text} {place(value.span, source)}", []
    if isinstance(value, tuple):
        return "", [("", item) for item in value]
    if not is_dataclass(value):
        return repr(value), []
    span: Span = vars_of(value)["span"]
    head = f"{type(value).__name__} {place(span, source)}"
    below: list[tuple[str, Any]] = []
    for name, inner in vars_of(value).items():
        if name == "span":
            continue
        if isinstance(inner, (Name, tuple)) or is_dataclass(inner):
            below.append((f"{name}: ", inner))
        elif inner is not None or name == "value":  # None says "not there"
            head += f" {name}={inner!r}"
    return head, below


def vars_of(node: Any) -> dict[str, Any]:
    """The fields of a node, in order."""
    return {field.name: getattr(node, field.name) for field in fields(node)}


def place(span: Span, source: Source) -> str:
    """`4:5-4:17`: line and column, from 1; the end is the column after the last."""
    start, end = source.position(span.start), source.position(span.end)
    return f"{start[0]}:{start[1]}-{end[0]}:{end[1]}"
