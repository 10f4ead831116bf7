"""Findings of one resolution: each mistake once, with the macro calls that led to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from neural_dsl.catalogue.spec import LayerProblem
from neural_dsl.diagnostics import Diagnostic, Diagnostics, Related
from neural_dsl.graph.nodes import SearchValue
from neural_dsl.source import Span

Choice: TypeAlias = Mapping[Span, int]
Met: TypeAlias = tuple[Span, int, tuple[Span, ...]]
"""An `HPO(…)`, the number of the value that it took, and the places of all its values."""

SHOWN_CALLS = 3
"""How many of the macro calls around a finding are pointed at (innermost first)."""


@dataclass
class Findings(Diagnostics):
    """Collects diagnostics and search values while a network is resolved.

    The same mistake in a macro body that is expanded a thousand times is one mistake: a
    message is reported once per place. `calls` is the stack of macro calls being expanded.

    A resolution takes one `choice` of a search space: the span of an `HPO(…)` -> the
    number of the value that it stands for, 0 where it says nothing. `met` are the
    `HPO(…)` in the order in which they were met; `wrong` counts errors as often as they
    are made.
    """

    choice: Choice = field(default_factory=dict)
    calls: list[Span] = field(default_factory=list)
    searches: dict[Span, tuple[int | None, Callable[[], SearchValue]]] = field(
        default_factory=dict
    )
    met: list[Met] = field(default_factory=list)
    wrong: int = 0
    _seen: set[tuple[str, Span | None, str]] = field(default_factory=set)

    def add(self, found: Diagnostic) -> None:
        """Add a finding, unless it stands at this place already."""
        self.wrong += found.severity == "error"
        key = (found.code, found.span, found.message)
        if key not in self._seen:
            self._seen.add(key)
            calls = reversed(self.calls[-SHOWN_CALLS:])
            around = (Related(call, "expanded from here") for call in calls)
            super().add(replace(found, related=(*found.related, *around)))

    @property
    def spaces(self) -> dict[Span, tuple[Span, ...]]:
        """The `HPO(…)` that were met, each with the places of its values."""
        return {space: places for space, _, places in reversed(self.met)}

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
