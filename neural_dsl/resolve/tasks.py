"""The task of a network: what it asks for, and the sizes that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neural_dsl.catalogue.spec import LayerProblem, LayerSpec
from neural_dsl.catalogue.tasks import task_spec
from neural_dsl.catalogue.tasks.spec import TaskSpec
from neural_dsl.diagnostics import Related
from neural_dsl.graph.nodes import Input, Setting
from neural_dsl.resolve.arguments import Bound
from neural_dsl.resolve.findings import Findings
from neural_dsl.resolve.values import UNKNOWN
from neural_dsl.source import Span

LISTED_SYMBOLS = 40
"""Symbols up to this number are listed in messages."""


@dataclass(frozen=True)
class Task:
    """The resolved task. Without a `setting`, something is wrong with it, and nothing that
    depends on it can be checked. None for the sizes that the task does not tell."""

    setting: Setting | None = None
    symbols: Sequence[str] | None = None
    vocabulary: int | None = None
    max_length: int | None = None

    @property
    def spec(self) -> TaskSpec:
        """The entry of the catalogue."""
        assert self.setting is not None
        return task_spec(self.setting.name)

    @property
    def gives_ids(self) -> bool:
        """Whether the task itself says what a model reads: one row of token ids."""
        return self.layout != "free"

    @property
    def layout(self) -> str:
        """Where the answers stand (TaskSpec.layout)."""
        assert self.setting is not None
        return self.spec.layout(self.setting.params)

    @property
    def related(self) -> tuple[Related, ...]:
        """Where the task stands, for a diagnostic about something else."""
        assert self.setting is not None
        return (Related(self.setting.span, "the task"),)

    def reading(self, inputs: Sequence[Input]) -> Setting | None:
        """The task's Setting, told which arrays the network reads where that is open:
        the one unnamed input is `x`, others have arrays of their own names."""
        if self.setting is None or self.setting.name != "Arrays":
            return self.setting
        alone = len(inputs) == 1 and inputs[0].name == "input"
        names = {each.name: "x" if alone else each.name for each in inputs}
        ids = [names[each.name] for each in inputs if each.tensor.dtype == "ids"]
        read = {"inputs": tuple(names.values()), "ids": tuple(ids)}
        return replace(self.setting, params={**self.setting.params, **read})

    def filled(self, spec: LayerSpec) -> dict[str, Any]:
        """The parameters of a layer that need not be given, with their values."""
        sizes = {"vocabulary": self.vocabulary, "max_length": self.max_length}
        found = {
            each.name: UNKNOWN if self.setting is None else sizes[each.from_task]
            for each in spec.parameters
            if each.from_task
        }
        return {name: value for name, value in found.items() if value is not None}

    def check_sizes(self, spec: LayerSpec, bound: Bound, findings: Findings) -> None:
        """Report the given sizes of a layer that do not fit the task (NE076)."""
        for parameter in spec.parameters:
            value = bound.values.get(parameter.name)
            if parameter.name not in bound.spans or not isinstance(value, int):
                continue
            span = bound.spans[parameter.name]
            name, source = parameter.name, parameter.from_task
            if source == "vocabulary" and self.vocabulary not in (None, value):
                self._wrong_vocabulary(name, value, span, findings)
            elif source == "max_length" and value < (self.max_length or 0):
                self._too_short(name, value, span, findings)

    def _wrong_vocabulary(
        self, name: str, value: int, span: Span, findings: Findings
    ) -> None:
        needed = f"{self.vocabulary:,}"
        listed = ""
        if self.symbols and len(self.symbols) <= LISTED_SYMBOLS:
            listed = f"; its symbols are {list_symbols(self.symbols)}"
        findings.error(
            "NE076",
            f"`{name}` is {value:,}, but the task `{self.spec.name}` has {needed} symbols",
            span,
            label=f"{needed} are needed",
            help=f"leave `{name}` out, and the task gives it{listed}",
            related=self.related,
        )

    def _too_short(self, name: str, value: int, span: Span, findings: Findings) -> None:
        findings.error(
            "NE076",
            f"`{name}` is {value:,}, but inputs of the task `{self.spec.name}` have up to "
            f"{self.max_length:,} positions",
            span,
            label=f"{self.max_length:,} or more are needed",
            help=f"leave `{name}` out, and the task gives it",
            related=self.related,
        )


def describe_task(
    given: Setting, spans: Mapping[str, Span], findings: Findings
) -> Task:
    """The task with its parameters completed and its sizes worked out.

    Reads the files that it names, relative to the folder of the `.neural` file.
    """
    spec, folder = task_spec(given.name), Path(findings.source.name).parent
    setting = replace(given, params=dict(spec.complete(given.params)))
    try:
        symbols = spec.symbols(setting.params, folder)
        vocabulary = spec.vocabulary_size(setting.params, folder)
        max_length = spec.max_length(setting.params, folder)
    except LayerProblem as problem:
        findings.error(
            problem.code,
            problem.message,
            spans.get(problem.parameter or "", given.span),
            label=problem.label,
            help=problem.help,
        )
        return Task()
    return Task(setting, symbols, vocabulary, max_length)


def list_symbols(symbols: Sequence[str]) -> str:
    """`padding, a to t, :`, runs of letters or numbers shortened."""
    shown = [_run(run) for run in _runs(symbols[1:])]
    return ", ".join(["padding", *shown])


def _runs(symbols: Iterable[str]) -> list[list[str]]:
    """Symbols in rows of such as follow one another."""
    runs: list[list[str]] = []
    for symbol in symbols:
        if runs and _follows(runs[-1][-1], symbol):
            runs[-1].append(symbol)
        else:
            runs.append([symbol])
    return runs


def _follows(before: str, symbol: str) -> bool:
    if before.isdecimal() and symbol.isdecimal():
        return int(symbol) == int(before) + 1
    letters = len(before) == len(symbol) == 1 and before.isalpha() and symbol.isalpha()
    return letters and ord(symbol) == ord(before) + 1


def _run(run: list[str]) -> str:
    shown = [symbol if symbol.isprintable() else repr(symbol)[1:-1] for symbol in run]
    quoted = [f"`{symbol}`" if symbol != " " else "a space" for symbol in shown]
    return ", ".join(quoted) if len(run) < 3 else f"{quoted[0]} to {quoted[-1]}"
