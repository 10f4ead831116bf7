"""Diagnostics as text for people and as JSON for programs.

error[NE021]: `num_heads` must divide the model width: 256 is not a multiple of 7
  ┌─ basic_transformer.neural:4:24
  │
4 │     TransformerEncoder(num_heads=7, ff_dim=512, dropout=0.1)
  │                        ^^^^^^^^^^^ 7 heads cannot share 256 features evenly
  │
  = help: use 1, 2, 4, 8, 16, … or give `key_dim` (the size of one head) yourself
  = see:  neural explain NE021
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from neural_dsl.diagnostics import Diagnostic, first_of
from neural_dsl.diagnostics.layout import crop, safe, shorten
from neural_dsl.source import Source, Span

_Painter: TypeAlias = Callable[[str, str], str]

_STYLES = {  # ANSI "select graphic rendition" codes
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "gutter": "34",
    "bold": "1",
}


def render_text(
    diagnostics: Iterable[Diagnostic], *, colour: bool = False, width: int = 100
) -> str:
    """The first findings, each with its lines and carets, and a count of all at the end.

    Of more than `diagnostics.MOST`, errors come before the rest. Source lines longer than `width` columns are cropped around the marked part. Without
    `colour` the text is plain.
    """
    found = tuple(diagnostics)
    if not found:
        return ""
    paint: _Painter = _paint if colour else _plain
    parts: list[str] = [_one(each, paint, width) for each in first_of(found)]
    left = len(found) - len(parts)
    more = f", of which {left:,} more are not shown" if left else ""
    return "\n\n".join([*parts, paint("bold", count(found) + more)])


def count(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`; notes are not counted beside errors and warnings."""
    severities = [diagnostic.severity for diagnostic in diagnostics]
    parts: list[str] = []
    for severity in ("error", "warning", "note"):
        number = severities.count(severity)
        if number and not (severity == "note" and parts):
            parts.append(f"{number} {severity}{'s' * (number != 1)}")
    return ", ".join(parts)


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """An array of `{code, severity, message, help, file, line, column, end_line,
    end_column}`.

    Lines and columns count from 1, in characters; the end is the column after the last
    marked character. They are null where a finding has no place in a file, and `help`
    is null where there is none.
    """
    return json.dumps(list(map(_record, diagnostics)), indent=2)


def _record(diagnostic: Diagnostic) -> dict[str, str | int | None]:
    source, span = diagnostic.source, diagnostic.span
    line = column = end_line = end_column = None
    if source and span:
        line, column = source.position(span.start)
        end_line, end_column = source.position(span.end)
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": shorten(diagnostic.message),
        "help": shorten(diagnostic.help) or None,
        "file": source.place if source else None,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


@dataclass(frozen=True)
class _Mark:
    """Characters `start:end` of one line, to be underlined and labelled."""

    line: int
    start: int
    end: int
    sign: str
    label: str


def _one(diagnostic: Diagnostic, paint: _Painter, width: int) -> str:
    source, span = diagnostic.source, diagnostic.span
    severity = diagnostic.severity
    head = paint(severity, f"{severity}[{diagnostic.code}]")
    lines = [head + paint("bold", f": {safe(shorten(diagnostic.message))}")]
    margin = 1
    if source and span:
        marks = _mark_span(source, span, "^", diagnostic.label)
        for related in diagnostic.related:
            marks += _mark_span(source, related.span, "-", related.label)
        marks.sort(key=lambda mark: mark.line)  # the finding before what is related
        margin = len(str(max(mark.line for mark in marks)))
        line, column = source.position(span.start)
        arrow = paint("gutter", f"{' ' * margin} ┌─")
        note = f" ({safe(source.note)})" if source.note else ""
        lines.append(f"{arrow} {safe(source.place)}:{line}:{column}{note}")
        lines += _snippet(source, marks, severity, margin, paint, width)
    elif source:
        lines.append(paint("gutter", "  ┌─") + f" {safe(source.place)}")
    if source:
        lines.append(paint("gutter", f"{' ' * margin} │"))
    lines += _footer(diagnostic, margin, paint)
    return "\n".join(lines)


def _footer(diagnostic: Diagnostic, margin: int, paint: _Painter) -> list[str]:
    sign = paint("gutter", f"{' ' * margin} =")
    lines = []
    if diagnostic.help:
        first, *more = safe(shorten(diagnostic.help)).split("\n")
        lines.append(f"{sign} {paint('bold', 'help:')} {first}")
        lines += [f"{' ' * margin}         {line}" for line in more]
    lines.append(f"{sign} {paint('bold', 'see:')}  neural explain {diagnostic.code}")
    return lines


def _mark_span(source: Source, span: Span, sign: str, label: str) -> list[_Mark]:
    """One mark, or two for a span over several lines: its first line and its last.

    The label stands at the first line: there the thing begins that it speaks of.
    """
    line, column = source.position(span.start)
    end_line, end_column = source.position(span.end)
    start, end = column - 1, end_column - 1
    if line == end_line:
        return [_Mark(line, start, end, sign, label)]
    first_end = len(source.line(line))
    marks = [_Mark(line, min(start, first_end), first_end, sign, label)]
    last = source.line(end_line)[:end]
    if last.strip():
        indent = len(last) - len(last.lstrip())
        marks.append(_Mark(end_line, indent, end, sign, "… to here" if label else ""))
    return marks


def _snippet(
    source: Source,
    marks: list[_Mark],
    severity: str,
    margin: int,
    paint: _Painter,
    width: int,
) -> list[str]:
    """The marked source lines, each once where it fits, with what is marked below."""
    bar = paint("gutter", f"{' ' * margin} │")
    room = max(30, width - margin - 3)
    lines, shown, previous = [bar], "", 0
    for mark in marks:
        text, column, columns = crop(source.line(mark.line), mark.start, mark.end, room)
        if mark.line != previous or text != shown:
            if previous and mark.line > previous + 1:
                lines.append(paint("gutter", f"{' ' * margin} ·"))
            number = paint("gutter", f"{mark.line:>{margin}} │")
            lines.append(f"{number} {text}".rstrip())
        previous, shown = mark.line, text
        style = severity if mark.sign == "^" else "gutter"
        under = f"{mark.sign * columns} {safe(shorten(mark.label))}".rstrip()
        lines.append(f"{bar} {' ' * column}{paint(style, under)}")
    return lines


def _paint(style: str, text: str) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def _plain(style: str, text: str) -> str:
    return text
