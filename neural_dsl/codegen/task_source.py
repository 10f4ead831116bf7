"""The source of a task, as the emitted file contains it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

from neural_dsl.catalogue.tasks import task_spec
from neural_dsl.catalogue.tasks.custom import HOME, MEMBERS, defined, defined_by
from neural_dsl.catalogue.tasks.files import ArrayHeader, array_headers
from neural_dsl.catalogue.tasks.spec import held_out_bounds
from neural_dsl.catalogue.tasks.splits import multiplier
from neural_dsl.codegen.environment import environment
from neural_dsl.codegen.imports import collecting, imported_names, need
from neural_dsl.diagnostics import refusal
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


IMPORTS = {
    "math": "import math",
    "cache": "from functools import cache",
    "lru_cache": "from functools import lru_cache",
    "sha256": "from hashlib import sha256",
    "Path": "from pathlib import Path",
    "Any": "from typing import Any",
    "np": "import numpy as np",
}
"""What a data part may need."""


def data_part(network: Network) -> TaskSource:
    """The part of a training script that makes the examples, with NumPy alone.

    It needs the constant BATCH_SIZE and ends in two functions:

    - `batch(seed, number) -> (x, y)`, the training examples of that batch, counted over
      all epochs: a pure function of both;
    - `held_out(split) -> (x, y)`, all examples of "validation" or "test".

    x holds int64 ids (B, T) or float32 arrays, a tuple of them for several inputs; y the
    targets, IGNORED where no loss is taken (a constant that stands there only where such
    targets can be). Nothing is read before the first call. A file's path is a constant
    (PATH, TOKENIZER), relative to the folder in which the script runs.
    """
    assert network.task is not None
    spec = task_spec(network.task.name)
    template = environment().get_template(f"tasks/{spec.data}.py.j2")
    with collecting() as needs:
        need("np")
        code = template.render(t=_described(network)).strip("\n") + "\n"
    imports = tuple(IMPORTS[name] for name in needs)
    custom = custom_of(network)
    if custom is None:
        return TaskSource(imports, code)
    names = {name for name, home in HOME.items() if home == "base"}
    needed, base = _library(("tasks/base",), "", names)
    more, library = _library(LIBRARY, custom.text, {*custom.builds_on} - names)
    lines, own = _pasted(custom.text)
    postponed = "from __future__" in custom.text
    code = "\n\n\n".join(part for part in (base, library, own, code) if part)
    return TaskSource((*imports, *needed, *more, *lines), code, own, postponed)


LIBRARY = (
    *("catalogue/tasks/splits", "catalogue/tasks/sequences"),
    *("catalogue/tasks/arithmetic", "tasks/problems"),
    *("tasks/sequences", "tasks/arithmetic"),
)
"""The files that hold what a user's task may build on, beside `Task` itself."""


def _library(
    sources: Iterable[str], own: str, wanted: set[str]
) -> tuple[list[str], str]:
    """The imports and the code of `wanted` names of ours, and of all that they use: of
    classes, the methods that training calls, or the user's `own` text."""
    if not wanted:
        return [], ""
    texts = [
        files("neural_dsl").joinpath(f"{n}.py").read_text("utf-8") for n in sources
    ]
    known = [(node, text) for text in texts for node in ast.parse(text).body]
    called = {n.attr for n in ast.walk(ast.parse(own)) if isinstance(n, ast.Attribute)}
    reached = -1
    while reached != len(wanted) + len(called):  # until nothing more is
        reached = len(wanted) + len(called)
        for node, _ in known:
            if defined_by(node) & wanted:
                inside = [n for part in _kept(node, called) for n in ast.walk(part)]
                wanted = wanted | {n.id for n in inside if isinstance(n, ast.Name)}
                called |= {n.attr for n in inside if isinstance(n, ast.Attribute)}
    imports = []
    for line in (line for text in texts for line in _pasted(text)[0]):
        (node,) = ast.parse(line).body
        assert isinstance(node, ast.Import | ast.ImportFrom)
        node.names = [a for a in node.names if (a.asname or a.name) in wanted]
        imports += [ast.unparse(node)] * bool(node.names)
    code, end = "", -1
    for node, text in known:
        if defined_by(node) & wanted:
            between = "\n" if node.lineno == end + 1 else "\n\n\n"
            code += between + _source(node, text, called)
            end = node.end_lineno or end
    return imports, code.strip("\n")


def _kept(node: ast.stmt, called: set[str]) -> list[ast.AST]:
    """The parts of a definition that are needed: of a class, no method that nobody calls."""
    if not isinstance(node, ast.ClassDef):
        return [node]
    needed = [n for n in node.body if not _uncalled(n, called)]
    return [*node.bases, *node.decorator_list, *needed]


def _uncalled(node: ast.stmt, called: set[str]) -> bool:
    known = (*called, *MEMBERS)
    return (
        isinstance(node, ast.FunctionDef)
        and node.name not in known
        and not node.name.startswith("__")
    )


def _source(node: ast.stmt, text: str, called: set[str]) -> str:
    """The text of a definition, without the methods that nobody calls."""
    lines = text.splitlines()
    first = min(n.lineno for n in (node, *getattr(node, "decorator_list", ()))) - 1
    dropped = {
        line
        for item in getattr(node, "body", ())
        if isinstance(node, ast.ClassDef) and _uncalled(item, called)
        for line in range(item.lineno - 2, item.end_lineno)  # from the empty line on
    }
    kept = (n for n in range(first, node.end_lineno or first) if n not in dropped)
    return "\n".join(lines[n] for n in kept)


def _described(network: Network) -> SimpleNamespace:
    """What the templates of data ask for."""
    task = network.task
    assert task is not None
    spec, folder = task_spec(task.name), Path(network.source.name).parent
    shuffle = network.train.get("shuffle") is not False
    t = SimpleNamespace(**task.params, task=task.name, shuffle=shuffle)
    t.several = len(network.inputs) > 1
    if spec.problems is not None:
        t.bounds = held_out_bounds(task.params, spec.problems(task.params))
        t.hash = multiplier(t.data_seed)
        t.max_length = spec.max_length(task.params)
    match spec.data:
        case "sequences":
            length = t.length
            t.shortest, t.longest = (
                length if isinstance(length, tuple) else [length] * 2
            )
            t.aligned = not spec.causal(task.params)
        case "arithmetic":
            t.digits = len(str(t.max_number))
        case "arrays":
            _describe_arrays(t, network, array_headers(t.path, folder))
        case "custom":
            custom = custom_of(network)
            assert custom is not None
            t.name = custom.name
    return t


def array_inputs(network: Network) -> tuple[tuple[str, str], ...]:
    """The arrays of a file that are the model's inputs, and the numbers that they hold:
    ("words", "int64")."""
    inputs = network.inputs
    alone = len(inputs) == 1 and inputs[0].name == "input"
    kinds = ("int64" if i.tensor.dtype == "ids" else "float32" for i in inputs)
    names = ["x"] if alone else [i.name for i in inputs]
    return tuple(zip(names, kinds, strict=True))


def _describe_arrays(
    t: SimpleNamespace, network: Network, found: Mapping[str, ArrayHeader]
) -> None:
    t.inputs = array_inputs(network)
    t.missing = [s for s in ("validation", "test") if f"y_{s}" not in found]
    t.target_type = "int64" if found["y"].whole else "float32"
    t.column = found["y"].whole and found["y"].shape[1:] == (1,)


def refuse_taken_names(network: Network, source: TaskSource, rest: str) -> None:
    """Raise NE075 for a user's file whose names the emitted file needs for itself."""
    run = _assigned_by_the_run(rest)
    used = run | defined(rest)
    used |= {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.parse(rest).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    brought = set(imported_names("\n".join(source.imports)))
    taken = sorted(defined(source.own) & used | brought & run)
    if taken:
        assert network.task is not None
        listed = ", ".join(f"`{name}`" for name in taken)
        raise refusal(
            "NE075",
            f"the file `{network.task.params['path']}` defines {listed}, as does the "
            "script that it becomes a part of",
            network.source,
            network.task.span,
            help="give it another name in your file",
        )


def _assigned_by_the_run(script: str) -> set[str]:
    """The variables of `if __name__ == "__main__":`, which are the whole module's."""
    blocks = (node for node in ast.parse(script).body if isinstance(node, ast.If))
    targets: list[ast.expr] = []
    for node in (inner for block in blocks for inner in ast.walk(block)):
        if isinstance(node, ast.Assign):
            targets += node.targets
        elif isinstance(node, ast.For):
            targets.append(node.target)
    names = (name for target in targets for name in ast.walk(target))
    return {name.id for name in names if isinstance(name, ast.Name)}


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
    statements: list[ast.Import | ast.ImportFrom]
    if isinstance(node, ast.ImportFrom):
        names = ([alias] for alias in node.names)
        statements = [ast.ImportFrom(node.module, name, node.level) for name in names]
    else:
        statements = [ast.Import([alias]) for alias in node.names]
    return [ast.unparse(statement) for statement in statements]
