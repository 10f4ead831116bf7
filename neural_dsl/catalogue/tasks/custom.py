"""A user's own task, read and never run: its class, and what it says of itself."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from neural_dsl.catalogue.spec import LayerProblem, Params
from neural_dsl.catalogue.tasks.files import task_text

MEMBERS = ("size", "batch")  # what training cannot do without
BASE = "neural_dsl.tasks.base"
MEASURES = ("exact_match", "accuracy", "loss")


@dataclass(frozen=True)
class CustomFile:
    """What the text of a file tells of the task in it."""

    name: str
    text: str
    measure: str


def custom_file(params: Params, folder: Path) -> CustomFile:
    """The file of a `Custom` task. Raises LayerProblem (NE075)."""
    path = params["path"]
    text = task_text(path, folder)
    try:
        return read_custom(text)
    except ValueError as error:
        raise LayerProblem(
            "NE075",
            f"the file `{path}` defines no task that can be trained on: {error}",
            parameter="path",
            label="this file",
            help="it defines one class, with `size(split)` and `batch(split, indices)`: "
            "see docs/training.md",
        ) from None


def read_custom(text: str) -> CustomFile:
    """What a Python text tells of its task. Raises ValueError."""
    name = task_class_name(text)
    tree = ast.parse(text)
    refuse_imports(tree)
    return CustomFile(name, text, measure_of(tree, name))


def task_class_name(text: str) -> str:
    """The name of the one class of a file that has `size` and `batch`, its own or those
    of a base in the file. Runs nothing. Raises ValueError.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from None
    classes = _classes(tree)
    used_as_bases = {base for node in classes.values() for base in _bases(node)}
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
    """Whether a class builds on `Task` or has its methods, its own or those of a base."""
    methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    if methods.issuperset(MEMBERS) or "Task" in _bases(node):
        return True
    bases = (classes[b] for b in _bases(node) if b in classes and b != node.name)
    return any(is_task(base, classes) for base in bases)


def measure_of(tree: ast.Module, name: str) -> str:
    """What the class says of how its models are measured; `Task`'s own default where it
    says nothing. Raises ValueError for no measure that there is."""
    classes = _classes(tree)
    node: ast.ClassDef | None = classes[name]
    while node is not None:
        for item in node.body:
            if "measure" in _assigned(item):
                value = getattr(item, "value", None)
                if isinstance(value, ast.Constant) and value.value in MEASURES:
                    return str(value.value)
                listed = " or ".join(f'"{each}"' for each in MEASURES)
                raise ValueError(f"`measure` of {name} must be {listed}")
        own = [base for base in _bases(node) if base in classes and base != node.name]
        node = classes[own[0]] if own else None
    return MEASURES[0]


def refuse_imports(tree: ast.Module) -> None:
    """Raise ValueError for an import that the scripts that train could not do without.

    They contain `Task` and what stands beside it in `neural_dsl/tasks/base.py`, and no
    other part of this program.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"line {node.lineno}: it imports a file beside it")
            found = [node.module or ""]
        else:
            continue
        foreign = [name for name in found if name.split(".")[0] == "neural_dsl"]
        if foreign == [BASE] and isinstance(node, ast.ImportFrom) and node in tree.body:
            if any(alias.asname or alias.name == "*" for alias in node.names):
                raise ValueError(
                    f"line {node.lineno}: import from {BASE} by name, without `as`"
                )
        elif foreign:
            raise ValueError(
                f"line {node.lineno}: it imports {foreign[0]}, which the scripts that "
                f"train do without; import from {BASE}, at the top of the file"
            )


def defined(text: str) -> set[str]:
    """The names that a file defines at its top level."""
    found: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        found |= _assigned(node)
    return found


def _assigned(node: ast.stmt) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _bases(node: ast.ClassDef) -> list[str]:
    return [base.id for base in node.bases if isinstance(base, ast.Name)]
