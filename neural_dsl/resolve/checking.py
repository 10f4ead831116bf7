"""Every mistake of a file: of all its networks and macros, for each value of a search.

Beside the first values, every other value of every `HPO(…)` is tried alone: as many runs
as there are values. What a choice does not reach is not resolved again (`LayerResolver`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

from neural_dsl.diagnostics import Diagnostic, Related
from neural_dsl.graph.findings import Choice, Findings
from neural_dsl.resolve.layers import Flow, Stream
from neural_dsl.resolve.macros import Macros
from neural_dsl.resolve.network import parts, resolve_network
from neural_dsl.resolve.remembering import TooLarge
from neural_dsl.resolve.structure import LayerResolver
from neural_dsl.resolve.terms import UNKNOWN, Scope
from neural_dsl.source import Span
from neural_dsl.syntax import nodes as syntax
from neural_dsl.syntax.parser import garbage_collection_paused


def check_all(
    file: syntax.File, found: Iterable[Diagnostic] = ()
) -> tuple[Diagnostic, ...]:
    """Everything there is to say about every network and macro of the file, in order,
    with what its parser `found`."""
    findings = Findings(file.source)
    findings.adopt(found)
    with garbage_collection_paused():
        macros, networks = parts(file, findings)
        for node in networks:
            check = partial(resolve_network, node, macros, only_check=True)
            _for_each_choice(findings, check)
        # Callers are larger than what they call, which then needs no second look.
        defines = [item for item in file.items if isinstance(item, syntax.Define)]
        for define in sorted(defines, key=lambda each: -macros.size(each).steps):
            if define.name.text not in macros.used:
                _for_each_choice(findings, partial(_check_unused, define, macros))
    if not networks:
        message = "the file has no network"
        help = "write `network Name { input: … layers: … }`"
        findings.error("NE054", message, Span(0, 0), "nothing to build", help)
    return findings.in_order()


def _check_unused(define: syntax.Define, macros: Macros, findings: Findings) -> None:
    """Check the names and parameters in a macro that no network calls."""
    scope = Scope(define.name.text, {each.text: UNKNOWN for each in define.parameters})
    flow = Flow((Stream(None),), unknown=True)
    with suppress(TooLarge):
        LayerResolver(macros, {}, findings).expand(define, flow, scope)


def _for_each_choice(findings: Findings, run: Callable[[Findings], object]) -> None:
    """Run with the first value of each search, then with each other value alone. What
    only another value makes wrong is reported at that value. A search inside such a value
    is met when it is tried, and its own values are tried beside it."""
    first = Findings(findings.source)
    run(first)
    findings.adopt(first.found)
    known = {(each.code, each.span, each.message) for each in first.found}
    met = set(first.spaces)
    trials = list(_others(first, met))
    for choice, place in trials:  # grows where a trial meets searches inside a value
        trial = Findings(findings.source, choice=choice)
        run(trial)
        new = trial.spaces.keys() - met
        met |= new
        trials.extend(_others(trial, new))
        for each in trial.found:
            where = (each.code, each.span, each.message)
            if each.severity == "error" and where not in known:
                findings.add(_at(each, place))


def _others(run: Findings, spaces: set[Span]) -> Iterator[tuple[Choice, Span]]:
    """The choices that take another value of one of these spaces, beside those of the
    run, and where that value stands."""
    for space in sorted(spaces, key=lambda span: span.start):
        for number, place in enumerate(run.spaces[space]):
            if number:
                yield {**run.choice, space: number}, place


def _at(found: Diagnostic, place: Span) -> Diagnostic:
    """An error that one value of a search causes: at the value, where that is part of
    what is wrong, else with a pointer to it."""
    span = found.span
    if span is None or (span.start <= place.start and place.end <= span.end):
        return replace(found, span=place)
    because = Related(place, "when the search takes this value")
    return replace(found, related=(because, *found.related))
