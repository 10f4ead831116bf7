"""The source of a task, as the emitted file contains it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib.resources import files

from neural_dsl.catalogue.tasks import task_spec
from neural_dsl.catalogue.tasks.custom import defined
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.graph.nodes import Network
from neural_dsl.rules.measures import custom_of


@dataclass(frozen=True)
class TaskSource:
    """Code to paste, and the imports that it needs, each one statement.

    `own` is the part of a user's own file, which stays as it is, to the letter;
    `postponed` is whether it counts on annotations that are not evaluated.
    """

    imports: tuple[str, ...]
    code: str
    own: str = ""
    postponed: bool = False


def task_source(network: Network) -> TaskSource:
    """The source of a network's task and of what it builds on."""
    assert network.task is not None
    custom = custom_of(network)
    if custom is None:
        modules = task_spec(network.task.name).pasted(network.task.params)
    else:
        modules = _with_bases(custom.builds_on)
    parts = [_pasted(module_text(module)) for module in modules]
    imports = [line for lines, _ in parts for line in lines]
    bodies = [body for _, body in parts]
    if custom is None:
        return TaskSource(tuple(imports), "\n\n\n".join(bodies))
    lines, own = _pasted(custom.text)
    postponed = "from __future__" in custom.text
    code = "\n\n\n".join([*bodies, own])
    return TaskSource((*imports, *lines), code, own, postponed)


def module_text(module: str) -> str:
    """The text of a file of `neural_dsl/tasks`."""
    return files("neural_dsl.tasks").joinpath(f"{module}.py").read_text("utf-8")


def refuse_taken_names(network: Network, source: TaskSource, rest: str) -> None:
    """Raise NE075 for a user's file whose names the emitted file needs for itself."""
    used = defined(rest) | {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.parse(rest).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    taken = sorted(defined(source.own) & used)
    if taken:
        assert network.task is not None
        listed = ", ".join(f"`{name}`" for name in taken)
        raise NeuralError(
            Diagnostic(
                "NE075",
                f"the file `{network.task.params['path']}` defines {listed}, as does the "
                "script that it becomes a part of",
                network.source,
                network.task.span,
                help="give it another name in your file",
            )
        )


def _with_bases(modules: tuple[str, ...]) -> list[str]:
    """Files of `neural_dsl/tasks` with those that they build on before them."""
    found: dict[str, None] = {"base": None}

    def add(module: str) -> None:
        if module in found:
            return
        for node in ast.parse(module_text(module)).body:
            prefix, _, name = (getattr(node, "module", None) or "").rpartition(".")
            if isinstance(node, ast.ImportFrom) and prefix == "neural_dsl.tasks":
                add(name)
        found[module] = None

    for module in modules:
        add(module)
    return list(found)


def _pasted(text: str) -> tuple[list[str], str]:
    """The imports of a file, and its text without them and its docstring."""
    lines = text.splitlines()
    imports: list[str] = []
    kept = [True] * len(lines)
    for number, node in enumerate(ast.parse(text).body):
        is_doc = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Import | ast.ImportFrom):
            foreign = getattr(node, "module", None) or ""
            if not foreign.startswith(("neural_dsl", "__future__")):
                imports.extend(_one_by_one(node))
        elif not (is_doc and number == 0):
            continue
        for line in range(node.lineno - 1, node.end_lineno or node.lineno):
            kept[line] = False
    body = "\n".join(line for line, keep in zip(lines, kept, strict=True) if keep)
    return imports, body.strip("\n")


def _one_by_one(node: ast.Import | ast.ImportFrom) -> list[str]:
    """`import a, b` as a statement each."""
    if isinstance(node, ast.ImportFrom):
        return [ast.unparse(node)]
    return [ast.unparse(ast.Import([alias])) for alias in node.names]
