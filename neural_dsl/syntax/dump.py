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

from dataclasses import fields
from typing import Any

from neural_dsl.source import Source
from neural_dsl.syntax.nodes import File, Name, Node


def dump(file: File) -> str:
    """The whole tree, top to bottom."""
    lines: list[str] = []
    # What is still to be written, last first: (depth, what stands before it, value).
    rest: list[tuple[int, str, Any]] = [(0, "", item) for item in reversed(file.items)]
    while rest:
        depth, label, value = rest.pop()
        text, children = _line(value, file.source)
        lines.append(f"{'  ' * depth}{label}{text}".rstrip())
        rest += [(depth + 1, name, child) for name, child in reversed(children)]
    return "\n".join(lines) + "\n"


def _line(value: Any, source: Source) -> tuple[str, list[tuple[str, Any]]]:
    """One value in one line, and what goes below it (label, value)."""
    if isinstance(value, tuple):
        return "", [("", item) for item in value]
    if not isinstance(value, Node):
        return repr(value), []
    # `4:5-4:17`: line and column, from 1; the end is the column after the last.
    ends = (value.span.start, value.span.end)
    place = "-".join("{}:{}".format(*source.position(end)) for end in ends)
    if isinstance(value, Name):
        return f"{value.text} {place}", []
    head, below = f"{type(value).__name__} {place}", list[tuple[str, Any]]()
    for name in (field.name for field in fields(value) if field.name != "span"):
        inner = getattr(value, name)
        if isinstance(inner, (Node, tuple)):
            below.append((f"{name}: ", inner))
        elif inner is not None or name == "value":  # None says "not there"
            head += f" {name}={inner!r}"
    return head, below
