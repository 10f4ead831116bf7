"""Errors as data: what went wrong, where, and what would help.

A `Diagnostic` is a value; `render` turns it into text or JSON. Code that finds several
mistakes collects them in a `Diagnostics` and raises once. The one exception type that
bad input raises anywhere in the package is `NeuralError`.

Every code has a page in `pages/`, which `neural explain CODE` prints; `NE` codes are
errors, `NW` codes are warnings and notes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partialmethod
from typing import Literal

from neural_dsl.diagnostics.layout import safe, shorten
from neural_dsl.source import Source, Span

Severity = Literal["error", "warning", "note"]

MOST = 100
"""Findings that a person is shown; a program gets all of them."""


@dataclass(frozen=True)
class Related:
    """A second place that explains the first: where a name was first given, say."""

    span: Span
    label: str


@dataclass(frozen=True)
class Diagnostic:
    """One finding.

    `message` is a full sentence without a stop; `label` stands beside the carets and
    says what is wrong right there; `help` says what to do. A finding that has no place
    in a source file (a missing backend, a bad `--data`) has `source` and `span` None.
    """

    code: str
    message: str
    source: Source | None = None
    span: Span | None = None
    label: str = ""
    help: str = ""
    related: tuple[Related, ...] = ()
    severity: Severity = "error"


class NeuralError(Exception):
    """Input that was refused, with every diagnostic that says why (and any warnings)."""

    def __init__(self, *diagnostics: Diagnostic):
        super().__init__(*diagnostics)
        self.diagnostics = diagnostics

    def __str__(self) -> str:
        """Code and message of each finding, below it the place and the help."""
        lines = []
        for each in first_of(self.diagnostics):
            lines.append(f"{each.code}: {safe(shorten(each.message))}")
            if each.source:
                start = each.source.position(each.span.start) if each.span else ()
                place = ":".join(map(str, (each.source.place, *start)))
                lines.append(f"  at {safe(place)}")
            if each.help:
                lines.append(f"  help: {safe(shorten(each.help))}")
        if len(self.diagnostics) > MOST:
            lines.append(f"and {len(self.diagnostics) - MOST:,} more")
        return "\n".join(lines)


def refusal(
    code: str,
    message: str,
    source: Source | None = None,
    span: Span | None = None,
    label: str = "",
    help: str = "",
) -> NeuralError:
    """The error of a single finding."""
    return NeuralError(Diagnostic(code, message, source, span, label, help))


def first_of(found: tuple[Diagnostic, ...]) -> list[Diagnostic]:
    """At most `MOST` of them in their order, no warning in place of an error."""
    by_weight = sorted(range(len(found)), key=lambda i: found[i].severity != "error")
    return [found[index] for index in sorted(by_weight[:MOST])]


@dataclass
class Diagnostics:
    """A growing list of findings about one source."""

    source: Source
    found: list[Diagnostic] = field(default_factory=list)
    errors: int = 0

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        label: str = "",
        help: str = "",
        related: tuple[Related, ...] = (),
        severity: Severity = "error",
    ) -> None:
        """Add a finding at `span`. A `warning` does not stop the work, a `note` only says
        how something was read."""
        place = (self.source, span, label, help)
        self.add(Diagnostic(code, message, *place, related, severity))

    warning = partialmethod(error, severity="warning")
    note = partialmethod(error, severity="note")

    def again(
        self,
        code: str,
        message: str,
        span: Span,
        first: Span,
        help: str = "",
        what: str = "name",
    ) -> None:
        """Add an error about a name (or the like) that may stand once and stood before."""
        related = (Related(first, "first here"),)
        self.error(code, message, span, f"the same {what} again", help, related)

    def twice(self, code: str, message: str, span: Span, first: Span) -> None:
        """Add an error about a value that is given a second time."""
        related = (Related(first, "first given here"),)
        self.error(code, message, span, "given again", "keep one of the two", related)

    def add(self, found: Diagnostic) -> None:
        """Add a finding as it is."""
        self.errors += found.severity == "error"
        self.found.append(found)

    def adopt(self, found: Iterable[Diagnostic]) -> None:
        """Add the findings of another stage."""
        for each in found:
            self.add(each)

    def raise_if_failed(self) -> None:
        """Raise `NeuralError` with everything found, in source order, if any is an error."""
        if self.errors:
            raise NeuralError(*self.in_order())

    def in_order(self) -> tuple[Diagnostic, ...]:
        """Everything found so far, sorted by place; first what has none."""

        def place(found: Diagnostic) -> tuple[int, int]:
            return (found.span.start, found.span.end) if found.span else (-1, -1)

        return tuple(sorted(self.found, key=place))
