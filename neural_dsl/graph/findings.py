"""Findings of one resolution: each mistake once, with the macro calls that led to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from neural_dsl.diagnostics import Diagnostic, NeuralError, Related, Severity
from neural_dsl.graph.nodes import SearchValue
from neural_dsl.source import Source, Span

Choice: TypeAlias = Mapping[Span, int]

SHOWN_CALLS = 3
"""How many of the macro calls around a finding are pointed at (innermost first)."""


@dataclass
class Findings:
    """Collects diagnostics and search values while a network is resolved.

    The same mistake in a macro body that is expanded a thousand times is one mistake: a
    message is reported once per place. `calls` is the stack of macro calls being expanded.

    A resolution takes one `choice` of a search space: the span of an `HPO(…)` -> the
    number of the value that it stands for, 0 where it says nothing. `spaces` are the
    `HPO(…)` that were met, each with the places of its values.
    """

    source: Source
    choice: Choice = field(default_factory=dict)
    found: list[Diagnostic] = field(default_factory=list)
    calls: list[Span] = field(default_factory=list)
    searches: dict[Span, tuple[int | None, SearchValue]] = field(default_factory=dict)
    spaces: dict[Span, tuple[Span, ...]] = field(default_factory=dict)
    errors: int = 0
    _seen: set[tuple[str, Span, str]] = field(default_factory=set)

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
        """Add a finding, unless it stands at this place already."""
        if (code, span, message) in self._seen:
            return
        self._seen.add((code, span, message))
        self.errors += severity == "error"
        calls = [
            Related(call, "expanded from here")
            for call in reversed(self.calls[-SHOWN_CALLS:])
        ]
        self.found.append(
            Diagnostic(
                code,
                message,
                self.source,
                span,
                label,
                help,
                (*related, *calls),
                severity,
            )
        )

    def warning(
        self, code: str, message: str, span: Span, *, label: str = "", help: str = ""
    ) -> None:
        """Add a finding that does not stop the work."""
        self.error(code, message, span, label=label, help=help, severity="warning")

    def note(
        self, code: str, message: str, span: Span, *, label: str = "", help: str = ""
    ) -> None:
        """Add a finding that only says how something was read."""
        self.error(code, message, span, label=label, help=help, severity="note")

    def adopt(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Add findings of another stage (the parser's, about text inside a string)."""
        for each in diagnostics:
            if each.span is not None:
                self.error(
                    each.code,
                    each.message,
                    each.span,
                    label=each.label,
                    help=each.help,
                    related=each.related,
                    severity=each.severity,
                )

    def in_order(self) -> tuple[Diagnostic, ...]:
        """Everything found, by place in the file."""
        return tuple(
            sorted(
                self.found,
                key=lambda d: (d.span.start, d.span.end) if d.span else (-1, -1),
            )
        )

    def raise_if_failed(self) -> None:
        """Raise NeuralError with everything found if any of it is an error."""
        if self.errors:
            raise NeuralError(*self.in_order())

    def text(self, span: Span, limit: int = 40) -> str:
        """The source text of a span on one line, shortened for a message."""
        text = " ".join(self.source.slice(span).split())
        return text if len(text) <= limit else text[: limit - 1] + "…"
