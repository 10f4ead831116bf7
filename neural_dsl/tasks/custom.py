"""A user's own task, from a Python file. No part of emitted scripts.

The file holds one class with the interface of `base.Task`:

    from neural_dsl.tasks.base import Split, Task

    class Parity(Task):
        ...

Loading it runs its code: ask the user first.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.files import quoted
from neural_dsl.tasks.base import Task

MEMBERS = ("size", "batch")  # what training cannot do without


def task_class_name(text: str) -> str:
    """The name of the one class of a file that has `size` and `batch`, or builds on
    a class from elsewhere. Runs nothing. Raises ValueError.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from None
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    used_as_bases = {
        base.id
        for node in classes.values()
        for base in node.bases
        if isinstance(base, ast.Name)
    }
    found = [name for name, node in classes.items() if is_task(node, classes)]
    last = [name for name in found if name not in used_as_bases]
    if len(last) != 1:
        named = f": {', '.join(last)}" if last else ""
        raise ValueError(
            f"the file must define one task, a class with the methods size and batch; "
            f"it defines {len(last)}{named}"
        )
    return last[0]


def is_task(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> bool:
    """Whether a class has the methods of a task, its own or those of a known base."""
    methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    if methods.issuperset(MEMBERS):
        return True
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return any(
        is_task(classes[base], classes) if base in classes else base.endswith("Task")
        for base in bases
        if base != node.name
    )


def trusted_task(path: Path, trust: bool) -> Task:
    """The task of a user's file; its code runs only with `trust`.

    Raises NeuralError: NE163 without trust, NE162 when the file gives no task.
    """
    if not trust:
        raise NeuralError(
            Diagnostic(
                "NE163",
                f"the task is code, in {quoted(path)}, and code runs only with --trust",
                help="read the file; if you trust it, add --trust to the command",
            )
        )
    try:
        return load_custom(path)
    except (OSError, ValueError) as error:
        raise NeuralError(
            Diagnostic("NE162", f"the task in {quoted(path)} cannot be used: {error}")
        ) from error


def load_custom(path: str | Path) -> Task:
    """Run a user's file and make its task. Only for files that the user trusts.

    Raises OSError, and ValueError when the file defines no task, its code fails, or
    what it defines lacks a part that training needs.
    """
    text = Path(path).read_text(encoding="utf-8")
    name = task_class_name(text)
    module: dict[str, Any] = {"__name__": Path(path).stem, "__file__": str(path)}
    try:
        exec(compile(text, str(path), "exec"), module)
        task: Task = module[name]()
    except Exception as error:
        raise ValueError(f"{path} fails: {type(error).__name__}: {error}") from error
    missing = [
        member
        for member in (*MEMBERS, "symbols", "max_length", "causal")
        if not hasattr(task, member) or is_inherited_stub(task, member)
    ]
    if missing:
        raise ValueError(f"{name} in {path} lacks {', '.join(missing)}")
    return task


def is_inherited_stub(task: Any, member: str) -> bool:
    """Whether a member is `Task`'s own, which only says that it is missing."""
    stub = getattr(Task, member, None)
    return callable(stub) and getattr(type(task), member, None) is stub
