"""A user's own task, from a Python file. No part of emitted scripts.

The file holds one class with the interface of `base.Task`:

    from neural_dsl.tasks.base import Split, Task

    class Parity(Task):
        ...

Loading it runs its code: ask the user first.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from neural_dsl.catalogue.tasks.custom import HOME, MEMBERS, TASKS, read_custom
from neural_dsl.diagnostics import refusal
from neural_dsl.files import quoted
from neural_dsl.tasks.base import Task
from neural_dsl.tasks.checked import exits_are_errors, watched


def trusted_task(path: Path, trust: bool) -> Task:
    """The task of a user's file; its code runs only with `trust`.

    Raises NeuralError: NE163 without trust, NE162 when the file gives no task.
    """
    refuse_untrusted(path, trust)
    try:
        return load_custom(path)
    except (OSError, ValueError) as error:
        raise refusal(
            "NE162", f"the task in {quoted(path)} cannot be used: {error}"
        ) from error


def refuse_untrusted(path: Path, trust: bool) -> None:
    """Raise NE163 without trust: a `.neural` file must not be able to run code unasked."""
    if not trust:
        raise refusal(
            "NE163",
            f"the task is code, in {quoted(path)}, and code runs only with --trust",
            help="read the file; if you trust it, add --trust to the command",
        )


def load_custom(path: str | Path) -> Task:
    """Run a user's file and make its task. Only for files that the user trusts.

    Raises OSError, and ValueError when the file defines no task, its code fails, or
    what it defines lacks a part that training needs.
    """
    text = Path(path).read_text(encoding="utf-8")
    name = read_custom(text).name
    module: dict[str, Any] = {"__name__": Path(path).stem, "__file__": str(path)}
    tree = ast.parse(text)
    for node in tree.body:  # by the name of a file of before, too
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(TASKS):
            node.module = TASKS + HOME[node.names[0].name]
    try:
        with exits_are_errors():
            exec(compile(tree, str(path), "exec"), module)
            task: Task = module[name]()
    except Exception as error:
        raise ValueError(f"{path} fails: {type(error).__name__}: {error}") from error
    refuse_unfinished(task, Task, str(path))
    watched(task, is_stub)
    return task


def bases(names: Iterable[str]) -> set[type]:
    """The classes of `neural_dsl.tasks` of these names, with those that they build on."""
    found = (getattr(import_module(TASKS + HOME[name]), name) for name in names)
    return {each for one in found for each in getattr(one, "__mro__", ())} - {object}


def refuse_unfinished(task: Any, base: type, path: str) -> None:
    """Raise ValueError for a task that lacks a part that training needs.

    `base` is the class `Task`: in an emitted file it is the file's own copy.
    """
    name = type(task).__name__
    built_on_it: bool = isinstance(task, base)
    if not built_on_it:
        raise ValueError(
            f"{name} in {path} must build on Task: write `class {name}(Task):`"
        )
    missing = [
        member
        for member in (*MEMBERS, "symbols", "max_length", "causal")
        if not hasattr(task, member) or is_stub(task, member)
    ]
    if missing:
        raise ValueError(f"{name} in {path} lacks {', '.join(missing)}")
    _refuse_other_kinds(task, f"{name} in {path}")


def _refuse_other_kinds(task: Any, where: str) -> None:
    symbols, longest = task.symbols, task.max_length
    if not isinstance(symbols, list | tuple) or any(
        not isinstance(each, str) for each in symbols
    ):
        raise ValueError(f"`symbols` of {where} must be a list of texts")
    if not isinstance(longest, int | np.integer) or isinstance(longest, bool):
        raise ValueError(f"`max_length` of {where} must be a whole number")
    if longest < 0:
        raise ValueError(f"`max_length` of {where} is {longest}, which is below 0")
    if not isinstance(task.causal, bool | np.bool_):
        raise ValueError(f"`causal` of {where} must be True or False")


def is_stub(task: Any, member: str) -> bool:
    """Whether a method is `Task`'s own, which only says that it is missing."""
    base = next(each for each in type(task).__mro__ if each.__name__ == "Task")
    stub = vars(base).get(member)
    return callable(stub) and getattr(type(task), member, None) is stub


def has_answers(task: Any) -> bool:
    """Whether prompts have one right answer each, and the task can read and write them."""
    needed = ("problem", "encode", "decode", "answer_length")
    return task.measure == "exact_match" and not any(is_stub(task, m) for m in needed)
