"""A user's own task, read and never run: its class, and what it says of itself."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from neural_dsl.catalogue.spec import LayerProblem, Params
from neural_dsl.catalogue.tasks.files import task_text

MEMBERS = ("size", "batch")  # what training cannot do without
TASKS = "neural_dsl.tasks."
MEASURES = ("exact_match", "accuracy", "loss")


@dataclass(frozen=True)
class CustomFile:
    """What the text of a file tells of the task in it.

    `builds_on` are the files of `neural_dsl/tasks` that it imports from.
    """

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
    """The name of the one class of a file that has `size` and `batch`, or builds on
    a class from elsewhere. Runs nothing. Raises ValueError.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from None
    classes = _classes(tree)
    used_as_bases = {base for node in classes.values() for base in _bases(node)}
    ours = {
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(TASKS)
        for alias in node.names
    }
    found = [name for name, node in classes.items() if is_task(node, classes, ours)]
    last = [name for name in found if name not in used_as_bases]
    if len(last) != 1:
        named = f": {', '.join(last)}" if last else ""
        raise ValueError(
            f"the file must define one task, a class with the methods size and batch; "
            f"it defines {len(last)}{named}"
        )
    return last[0]


def is_task(
    node: ast.ClassDef, classes: dict[str, ast.ClassDef], ours: set[str]
) -> bool:
    """Whether a class has the methods of a task, its own or those of a base: a class of
    the file, or one of `ours`."""
    methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    if methods.issuperset(MEMBERS):
        return True
    return any(
        is_task(classes[base], classes, ours)
        if base in classes
        else base in ours or base.endswith("Task")
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


def imported(tree: ast.Module) -> list[str]:
    """The files of `neural_dsl/tasks` that a file builds on.

    The scripts that train contain those, and no other part of this program. Raises
    ValueError for an import that they could not do without.
    """
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            foreign = [name for name in names if name.split(".")[0] == "neural_dsl"]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            foreign = [module] if module.split(".")[0] == "neural_dsl" else []
            if node.level:
                raise ValueError(f"line {node.lineno}: it imports a file beside it")
            if module.startswith(TASKS) and node in tree.body:
                renamed = [alias.asname for alias in node.names if alias.asname]
                if renamed or node.names[0].name == "*":
                    raise ValueError(
                        f"line {node.lineno}: import from {module} by name, without `as`"
                    )
                found.setdefault(module.removeprefix(TASKS))
                continue
        else:
            continue
        if foreign:
            raise ValueError(
                f"line {node.lineno}: it imports {foreign[0]}, which the scripts that "
                f"train do without; import from {TASKS}base, at the top of the file"
            )
    return list(found)


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
