"""The task of a network: what it asks for, and the sizes that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from neural_dsl.catalogue.spec import LayerProblem, LayerSpec
from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Input, Setting
from neural_dsl.graph.settings import Task
from neural_dsl.resolve.arguments import Bound
from neural_dsl.resolve.terms import UNKNOWN
from neural_dsl.source import Span
from neural_dsl.tasks import task_spec

LISTED_SYMBOLS = 40
"""Symbols up to this number are listed in messages."""


def reading(task: Task, inputs: Sequence[Input]) -> Setting | None:
    """The task's Setting, told which arrays the network reads where that is open:
    the one unnamed input is `x`, others have arrays of their own names."""
    if task.setting is None or task.setting.name != "Arrays":
        return task.setting
    alone = len(inputs) == 1 and inputs[0].name == "input"
    names = {each.name: "x" if alone else each.name for each in inputs}
    ids = [names[each.name] for each in inputs if each.tensor.dtype == "ids"]
    read = {"inputs": tuple(names.values()), "ids": tuple(ids)}
    return replace(task.setting, params={**task.setting.params, **read})


def sizes_of(task: Task, spec: LayerSpec) -> dict[str, Any]:
    """The parameters of a layer that need not be given, with their values."""
    sizes = {"vocabulary": task.vocabulary, "max_length": task.max_length}
    named = ((each.name, each.from_task) for each in spec.parameters if each.from_task)
    if task.setting is None:
        return {name: UNKNOWN for name, _ in named}
    return {name: size for name, s in named if (size := sizes[s]) is not None}


def check_sizes(task: Task, spec: LayerSpec, bound: Bound, findings: Findings) -> None:
    """Report the given sizes of a layer that do not fit the task (NE076)."""
    for parameter in spec.parameters:
        name, source = parameter.name, parameter.from_task
        value, longest = bound.values.get(name), task.max_length or 0
        if name not in bound.given or not isinstance(value, int):
            continue
        help = f"leave `{name}` out, and the task gives it"
        if source == "vocabulary" and task.vocabulary not in (None, value):
            needed = f"{task.vocabulary:,}"
            what = f"the task `{task.spec.name}` has {needed} symbols"
            if task.symbols and len(task.symbols) <= LISTED_SYMBOLS:
                help += f"; its symbols are {list_symbols(task.symbols)}"
        elif source == "max_length" and value < longest:
            needed = f"{longest:,} or more"
            what = f"inputs of the task `{task.spec.name}` have up to {longest:,} positions"
        else:
            continue
        message, span = f"`{name}` is {value:,}, but {what}", bound.spans[name]
        label = f"{needed} are needed"
        findings.error("NE076", message, span, label, help, task.related)


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
        findings.problem(problem, spans, given.span)
        return Task()
    return Task(setting, symbols, vocabulary, max_length)


def list_symbols(symbols: Sequence[str]) -> str:
    """`padding, a to t, :`, runs of letters or numbers shortened."""
    runs: list[list[str]] = []
    for symbol in symbols[1:]:
        if runs and _follows(runs[-1][-1], symbol):
            runs[-1].append(symbol)
        else:
            runs.append([symbol])
    return ", ".join(["padding", *map(_run, runs)])


def _follows(before: str, symbol: str) -> bool:
    if before.isdecimal() and symbol.isdecimal():
        return int(symbol) == int(before) + 1
    letters = len(before) == len(symbol) == 1 and before.isalpha() and symbol.isalpha()
    return letters and ord(symbol) == ord(before) + 1


def _run(run: list[str]) -> str:
    shown = [symbol if symbol.isprintable() else repr(symbol)[1:-1] for symbol in run]
    quoted = [f"`{symbol}`" if symbol != " " else "a space" for symbol in shown]
    return ", ".join(quoted) if len(run) < 3 else f"{quoted[0]} to {quoted[-1]}"
