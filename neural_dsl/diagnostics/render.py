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
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from neural_dsl.diagnostics import Diagnostic, first_of
from neural_dsl.diagnostics.layout import crop, safe, shorten
from neural_dsl.source import Source, Span

_Painter: TypeAlias = Callable[[str, str], str]
_Mark: TypeAlias = tuple[int, int, int, str, str]
"""Characters of one line to be underlined: line, start, end, sign, label."""

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

    Of more than `diagnostics.MOST`, errors come before the rest. Source lines longer than
    `width` columns are cropped around the marked part. Without `colour` the text is plain.
    """

    def paint(style: str, text: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if colour else text

    found = tuple(diagnostics)
    if not found:
        return ""
    parts = ["\n".join(_lines(each, paint, width)) for each in first_of(found)]
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


def _record(found: Diagnostic) -> dict[str, str | int | None]:
    source, span = found.source, found.span
    line = column = end_line = end_column = None
    if source and span:
        line, column = source.position(span.start)
        end_line, end_column = source.position(span.end)
    return {
        "code": found.code,
        "severity": found.severity,
        "message": shorten(found.message),
        "help": shorten(found.help) or None,
        "file": source.place if source else None,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


def _lines(found: Diagnostic, paint: _Painter, width: int) -> Iterator[str]:
    source, span, severity = found.source, found.span, found.severity
    marks: list[_Mark] = []
    if source and span:
        marks = _marked(source, span, "^", found.label)
        for related in found.related:
            marks += _marked(source, related.span, "-", related.label)
        marks.sort(key=lambda mark: mark[0])  # the finding before what is related
    margin = len(str(marks[-1][0] if marks else 0))

    def gutter(sign: str) -> str:
        return paint("gutter", f"{' ' * margin} {sign}")

    head = paint(severity, f"{severity}[{found.code}]")
    yield head + paint("bold", f": {safe(shorten(found.message))}")
    if source:
        place = safe(source.place)
        if span:
            place += ":{}:{}".format(*source.position(span.start))
            place += f" ({safe(source.note)})" if source.note else ""
        yield f"{gutter('┌─')} {place}"
        if marks:
            yield gutter("│")
        shown, previous, room = "", 0, max(30, width - margin - 3)
        for number, start, end, sign, label in marks:  # each line once where it fits
            text, column, columns = crop(source.line(number), start, end, room)
            if number != previous or text != shown:
                if previous and number > previous + 1:
                    yield gutter("·")
                yield f"{paint('gutter', f'{number:>{margin}} │')} {text}".rstrip()
            previous, shown = number, text
            under = f"{sign * columns} {safe(shorten(label))}".rstrip()
            style = severity if sign == "^" else "gutter"
            yield f"{gutter('│')} {' ' * column}{paint(style, under)}"
        yield gutter("│")
    if found.help:
        first, *more = safe(shorten(found.help)).split("\n")
        yield f"{gutter('=')} {paint('bold', 'help:')} {first}"
        yield from (f"{' ' * margin}         {line}" for line in more)
    yield f"{gutter('=')} {paint('bold', 'see:')}  neural explain {found.code}"


def _marked(source: Source, span: Span, sign: str, label: str) -> list[_Mark]:
    """One mark, or two for a span over several lines: its first line and its last.

    The label stands at the first line: there the thing begins that it speaks of.
    """
    line, column = source.position(span.start)
    end_line, end_column = source.position(span.end)
    start, end = column - 1, end_column - 1
    if line == end_line:
        return [(line, start, end, sign, label)]
    first_end = len(source.line(line))
    marks = [(line, min(start, first_end), first_end, sign, label)]
    last = source.line(end_line)[:end]
    if last.strip():
        indent = len(last) - len(last.lstrip())
        marks.append((end_line, indent, end, sign, "… to here" if label else ""))
    return marks
