"""A user's own task, read and never run: its class, and what it says of itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from neural_dsl.catalogue.spec import LayerProblem, Params
from neural_dsl.catalogue.tasks.files import task_text

MEMBERS = ("size", "batch")  # what training cannot do without
TASKS = "neural_dsl.tasks."
SEQUENCES = ("SequenceTask", "Copy", "Reverse", "Sort", "Double", "PatternCompletion")
HOME = {
    **dict.fromkeys(("Task", "Split", "IGNORED", "PAD"), "base"),
    "ProblemTask": "problems",
    **dict.fromkeys(SEQUENCES, "sequences"),
    "Arithmetic": "arithmetic",
}
"""What a user's file may import from `neural_dsl.tasks` -> the file where it is."""
MEASURES = ("exact_match", "accuracy", "loss")


@dataclass(frozen=True)
class CustomFile:
    """What the text of a file tells of the task in it; `builds_on` are the names that it
    imports from `neural_dsl.tasks`."""

    name: str
    text: str
    measure: str
    builds_on: tuple[str, ...]


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
    return CustomFile(name, text, measure_of(tree, name), tuple(imported(tree)))


def task_class_name(text: str) -> str:
    """The name of the one class of a file that has `size` and `batch`, or builds on a
    class of ours that has them. Runs nothing. Raises ValueError.
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
    if methods.issuperset(MEMBERS):
        return True
    return any(
        is_task(classes[base], classes) if base in classes else base in HOME
        for base in _bases(node)
        if base != node.name
    )


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


def imported(tree: ast.Module) -> Iterator[str]:
    """What a file takes from `neural_dsl.tasks`: the scripts that train contain that, and
    no other part of this program. Raises ValueError for an import that they could not do
    without."""
    for node in ast.walk(tree):
        names: list[ast.alias] = getattr(node, "names", [])
        if isinstance(node, ast.Import):
            found = [alias.name for alias in names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"line {node.lineno}: it imports a file beside it")
            found = [node.module or ""]
        else:
            continue
        foreign = [name for name in found if name.split(".")[0] == "neural_dsl"]
        if not foreign:
            continue
        line = f"line {node.lineno}"
        top = isinstance(node, ast.ImportFrom) and node in tree.body
        if not top or not foreign[0].startswith(TASKS):
            raise ValueError(
                f"{line}: it imports {foreign[0]}, which the scripts that train do "
                f"without; import from {TASKS}base, at the top of the file"
            )
        if any(alias.asname or alias.name == "*" for alias in names):
            raise ValueError(f"{line}: import from {foreign[0]} by name, without `as`")
        for alias in names:
            if alias.name not in HOME:
                raise ValueError(
                    f"{line}: it imports {alias.name}, which the scripts that train do "
                    f"without; they may have {', '.join(HOME)}"
                )
            yield alias.name


def defined(text: str) -> set[str]:
    """The names that a file defines at its top level."""
    return {name for node in ast.parse(text).body for name in defined_by(node)}


def defined_by(node: ast.stmt) -> set[str]:
    """The names that a statement defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return {node.name}
    return _assigned(node)


def _assigned(node: ast.stmt) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    inside = (n for target in targets for n in ast.walk(target))
    names = (n for n in inside if isinstance(n, ast.Name))
    return {n.id for n in names if isinstance(n.ctx, ast.Store)}


def _classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _bases(node: ast.ClassDef) -> list[str]:
    return [base.id for base in node.bases if isinstance(base, ast.Name)]
