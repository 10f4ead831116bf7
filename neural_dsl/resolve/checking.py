"""Every mistake of a file: of all its networks and macros, for each value of a search.

A resolution takes one choice of each search space. Beside the first values, every other
value of every `HPO(…)` is tried alone, the others at their first: as many resolutions as
there are values, whatever the number of spaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

from neural_dsl.diagnostics import Diagnostic, Related
from neural_dsl.graph.findings import Choice, Findings
from neural_dsl.resolve.flow import Flow, Stream
from neural_dsl.resolve.layers import TooLarge
from neural_dsl.resolve.macros import Macros
from neural_dsl.resolve.network import defines, networks, resolve_network, told_apart
from neural_dsl.resolve.sizes import Sizes
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
    nodes = networks(file)
    used: set[str] = set()
    with garbage_collection_paused():
        macros = Macros(defines(file), findings)

        told_apart(nodes, findings)
        for node in nodes:
            _for_each_choice(
                findings, partial(resolve_network, node, macros, used, only_check=True)
            )
        # Callers are larger than what they call, which then needs no second look.
        sizes = Sizes(macros)
        for define in sorted(defines(file), key=lambda each: -sizes.of(each).steps):
            if define.name.text not in used:
                unused = partial(_check_unused, define, macros, used)
                _for_each_choice(findings, unused)
    if not nodes:
        message = "the file has no network"
        help = "write `network Name { input: … layers: … }`"
        findings.error("NE054", message, Span(0, 0), "nothing to build", help)
    return findings.in_order()


def _check_unused(
    define: syntax.Define, macros: Macros, used: set[str], findings: Findings
) -> None:
    """Check the names and parameters in a macro that no network calls."""
    resolver = LayerResolver(macros, {}, findings, used_macros=used)
    parameters = {parameter.text: UNKNOWN for parameter in define.parameters}
    flow = Flow((Stream(None),), unknown=True)
    with suppress(TooLarge):
        resolver.expand(define, flow, Scope(define.name.text, parameters))


def _for_each_choice(findings: Findings, run: Callable[[Findings], object]) -> None:
    """Run with the first value of each search, then with each other value alone. What
    only another value makes wrong is reported at that value.

    A search inside a value that is not the first is met when that value is tried, and its
    own values are tried beside it.
    """
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
        wrong = (
            each
            for each in trial.found
            if each.severity == "error"
            and (each.code, each.span, each.message) not in known
        )
        findings.adopt(_at(each, place) for each in wrong)


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
