"""A user's own task, a file with one class such as `base.Task`: what it tells without being
run. `checked.py` is about the running task."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from symtable import symtable
from warnings import catch_warnings, simplefilter

from neural_dsl.catalogue.spec import Params, parameter
from neural_dsl.tasks.problems import ProblemTask
from neural_dsl.tasks.reading import task_text, unusable
from neural_dsl.tasks.spec import TaskSpec

MEMBERS = ("size", "batch")  # what training cannot do without
TASKS = "neural_dsl.tasks."
BASE = ("Task", "Split", "IGNORED", "PAD")
MEASURES = ("exact_match", "accuracy", "loss")


def homes() -> dict[str, str]:
    """What a user's file may import from `neural_dsl.tasks` -> the file where it is: what
    all tasks have, and every class of ours whose problems have one right answer."""
    found, classes = dict.fromkeys(BASE, "base"), [ProblemTask]
    for each in classes:  # more are added meanwhile
        if each.__module__.startswith(TASKS):
            found[each.__name__] = each.__module__.removeprefix(TASKS)
            classes += each.__subclasses__()
    return found


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
    text = task_text(params["path"], folder)
    try:
        return read_custom(text)
    except ValueError as error:
        what = f"defines no task that can be trained on: {error}"
        help = (
            "it defines one class, with `size(split)` and `batch(split, indices)`: see "
            "docs/training.md"
        )
        raise unusable(params["path"], what, "this file", help) from None


def read_custom(text: str) -> CustomFile:
    """What a Python text tells of its task: the one class that builds on `Task` or has
    its methods, its own or those of a base. Raises ValueError."""
    try:
        tree = ast.parse(text)
        with catch_warnings():
            simplefilter("ignore")  # they are told where the code runs
            compile(text, "<task>", "exec")  # finds more, and runs nothing
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from None
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    lines = {name: _lineage(name, classes) for name in classes}
    inherited = {base for names in lines.values() for base in names[1:]}
    found = {}
    for name in classes.keys() - inherited:
        bodies = (classes[each].body for each in lines[name] if each in classes)
        items = [item for body in bodies for item in body]
        methods = {item.name for item in items if isinstance(item, ast.FunctionDef)}
        ours = homes().keys() & lines[name] - classes.keys()
        if ours or methods.issuperset(MEMBERS):
            found[name] = items
    if len(found) != 1:
        named = f": {', '.join(name for name in classes if name in found)}"
        raise ValueError(
            f"the file must define one task, a class with the methods size and batch; "
            f"it defines {len(found)}{named if found else ''}"
        )
    ((name, items),) = found.items()
    return CustomFile(name, text, _measure(name, items), tuple(_imported(tree)))


def _lineage(name: str, classes: Mapping[str, ast.ClassDef]) -> list[str]:
    """A class of a file and all that it builds on, ours too, the nearest first."""
    found = [name]
    for each in found:  # more are added meanwhile
        bases = classes[each].bases if each in classes else ()
        named = [base.id for base in bases if isinstance(base, ast.Name)]
        found += [base for base in named if base not in found]
    return found


def _measure(name: str, items: Iterable[ast.stmt]) -> str:
    """What a class says of how its models are measured; `Task`'s own default where it
    says nothing. Raises ValueError for no measure that there is."""
    given = (e for e in items if isinstance(e, ast.Assign | ast.AnnAssign) and e.value)
    found = (each for each in given if "measure" in defined(ast.unparse(each)))
    node = next(found, None)
    if node is None:
        return MEASURES[0]
    value = getattr(node, "value", None)
    if isinstance(value, ast.Constant) and value.value in MEASURES:
        return str(value.value)
    listed = " or ".join(f'"{each}"' for each in MEASURES)
    raise ValueError(f"`measure` of {name} must be {listed}")


def _imported(tree: ast.Module) -> Iterator[str]:
    """What a file takes from `neural_dsl.tasks`: the scripts that train contain that, and
    no other part of this program. Raises ValueError for an import that they could not do
    without."""
    known, without = homes(), "which the scripts that train do without"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [alias.name for alias in node.names]
        modules = names if isinstance(node, ast.Import) else [node.module or ""]
        foreign = [each for each in modules if each.split(".")[0] == "neural_dsl"]
        unknown = [name for name in names if name not in known]
        top = isinstance(node, ast.ImportFrom) and node in tree.body
        if getattr(node, "level", 0):
            wrong = "it imports a file beside it"
        elif not foreign:
            continue
        elif not top or not foreign[0].startswith(TASKS):
            instead = f"import from {TASKS}base, at the top of the file"
            wrong = f"it imports {foreign[0]}, {without}; {instead}"
        elif "*" in names or any(alias.asname for alias in node.names):
            wrong = f"import from {foreign[0]} by name, without `as`"
        elif unknown:
            may = f"they may have {', '.join(known)}"
            wrong = f"it imports {unknown[0]}, {without}; {may}"
        else:
            yield from names
            continue
        raise ValueError(f"line {node.lineno}: {wrong}")


def defined(code: str) -> set[str]:
    """The names that Python code gives values to at its top level, imports aside."""
    symbols = symtable(code, "<code>", "exec").get_symbols()
    return {s.get_name() for s in symbols if s.is_assigned() and not s.is_imported()}


@dataclass(frozen=True, kw_only=True)
class CustomSpec(TaskSpec):
    """What the symbols are is known to who runs the code; that it is a task is seen."""

    def symbols(self, params: Params, folder: Path) -> None:
        """Raises LayerProblem for a file without a task."""
        custom_file(params, folder)


CUSTOM = CustomSpec(
    "Custom",
    "Your own task: a Python file with a class such as those of `neural_dsl/tasks`. It "
    "is code, and runs only with `--trust`.",
    (parameter("path file", "text", doc="a Python file"),),
    data="custom",
    also=("accuracy",),
)
