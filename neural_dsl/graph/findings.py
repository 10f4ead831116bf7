"""Findings of one resolution: each mistake once, with the macro calls that led to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from neural_dsl.catalogue.spec import LayerProblem
from neural_dsl.diagnostics import Diagnostic, Diagnostics, Related
from neural_dsl.graph.nodes import SearchValue
from neural_dsl.source import Span

Choice: TypeAlias = Mapping[Span, int]

SHOWN_CALLS = 3
"""How many of the macro calls around a finding are pointed at (innermost first)."""


@dataclass
class Findings(Diagnostics):
    """Collects diagnostics and search values while a network is resolved.

    The same mistake in a macro body that is expanded a thousand times is one mistake: a
    message is reported once per place. `calls` is the stack of macro calls being expanded.

    A resolution takes one `choice` of a search space: the span of an `HPO(…)` -> the
    number of the value that it stands for, 0 where it says nothing. `spaces` are the
    `HPO(…)` that were met, each with the places of its values.
    """

    choice: Choice = field(default_factory=dict)
    calls: list[Span] = field(default_factory=list)
    searches: dict[Span, tuple[int | None, SearchValue]] = field(default_factory=dict)
    spaces: dict[Span, tuple[Span, ...]] = field(default_factory=dict)
    _seen: set[tuple[str, Span | None, str]] = field(default_factory=set)

    def add(self, found: Diagnostic) -> None:
        """Add a finding, unless it stands at this place already."""
        key = (found.code, found.span, found.message)
        if key not in self._seen:
            self._seen.add(key)
            calls = reversed(self.calls[-SHOWN_CALLS:])
            around = (Related(call, "expanded from here") for call in calls)
            super().add(replace(found, related=(*found.related, *around)))

    def problem(
        self, problem: LayerProblem, spans: Mapping[str, Span], otherwise: Span
    ) -> None:
        """Add what a rule of the catalogue found, at the argument that it names."""
        span = spans.get(problem.parameter or "", otherwise)
        self.error(problem.code, problem.message, span, problem.label, problem.help)

    def text(self, span: Span, limit: int = 40) -> str:
        """The source text of a span on one line, shortened for a message."""
        text = " ".join(self.source.slice(span).split())
        return text if len(text) <= limit else text[: limit - 1] + "…"
