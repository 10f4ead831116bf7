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
from typing import Literal

from neural_dsl.source import Source, Span

Severity = Literal["error", "warning", "note"]


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
        from neural_dsl.diagnostics.render import in_short

        return in_short(self.diagnostics)


@dataclass
class Diagnostics:
    """A growing list of findings about one source."""

    source: Source
    found: list[Diagnostic] = field(default_factory=list)

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        label: str = "",
        help: str = "",
        related: Iterable[Related] = (),
        severity: Severity = "error",
    ) -> None:
        """Add a finding at `span`."""
        self.found.append(
            Diagnostic(
                code, message, self.source, span, label, help, tuple(related), severity
            )
        )

    def warning(
        self, code: str, message: str, span: Span, *, label: str = "", help: str = ""
    ) -> None:
        """Add a finding that does not stop the work."""
        self.error(code, message, span, label=label, help=help, severity="warning")

    @property
    def failed(self) -> bool:
        """Whether any finding is an error."""
        return any(d.severity == "error" for d in self.found)

    def raise_if_failed(self) -> None:
        """Raise `NeuralError` with everything found, in source order, if any is an error."""
        if self.failed:
            raise NeuralError(*self.in_order())

    def in_order(self) -> tuple[Diagnostic, ...]:
        """Everything found so far, sorted by place."""
        return tuple(sorted(self.found, key=lambda d: d.span.start if d.span else -1))
