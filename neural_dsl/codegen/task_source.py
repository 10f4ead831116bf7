"""The source of a task, as the emitted file contains it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

from neural_dsl.codegen.environment import environment
from neural_dsl.codegen.imports import collecting, imported_names, need
from neural_dsl.diagnostics import refusal
from neural_dsl.graph.nodes import Network
from neural_dsl.rules.measures import custom_of
from neural_dsl.tasks import task_spec
from neural_dsl.tasks.custom import BASE, MEMBERS, defined, homes
from neural_dsl.tasks.problems import ProblemSpec, multiplier
from neural_dsl.tasks.reading import array_headers


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

    It needs the constant BATCH_SIZE and ends in two functions: `batch(seed, number)` has
    the training examples of that batch, counted over all epochs, a pure function of both;
    `held_out(split)` has all examples of "validation" or "test". Both give (x, y): x holds int64 ids (B, T) or float32 arrays, a tuple of them for several inputs; y the
    targets, IGNORED where no loss is taken (a constant that stands there only where such
    targets can be). Nothing is read before the first call. A file's path is a constant
    (PATH, TOKENIZER), relative to the folder in which the script runs.
    """
    task, custom = network.task, custom_of(network)
    assert task is not None
    spec, folder = task_spec(task.name), Path(network.source.name).parent
    t = SimpleNamespace(**task.params, task=task.name, several=len(network.inputs) > 1)
    t.shuffle = network.train.get("shuffle") is not False
    if isinstance(spec, ProblemSpec):
        t.made, t.hash = spec.made(task.params), multiplier(t.data_seed)
    elif spec.data == "arrays":
        found = array_headers(t.path, folder)
        t.missing = [s for s in ("validation", "test") if f"y_{s}" not in found]
        t.target_type = "int64" if found["y"].whole else "float32"
        t.column = found["y"].whole and found["y"].shape[1:] == (1,)
    elif custom is not None:
        t.name = custom.name
    with collecting() as needs:
        need("np")
        template = environment().get_template(f"tasks/{spec.data}.py.j2")
        code = template.render(t=t).strip("\n") + "\n"
    imports = tuple(IMPORTS[name] for name in needs)
    if custom is None:
        return TaskSource(imports, code)
    needed, base = _library(["base"], "", {*BASE})
    _, *others = dict.fromkeys(homes().values())
    wanted = {*custom.builds_on} - {*BASE}
    more, library = _library(others, custom.text, wanted)
    lines, own = _pasted(custom.text)
    postponed = "from __future__" in custom.text
    code = "\n\n\n".join(part for part in (base, library, own, code) if part)
    return TaskSource((*imports, *needed, *more, *lines), code, own, postponed)


def _library(
    sources: Iterable[str], own: str, wanted: set[str]
) -> tuple[list[str], str]:
    """The imports and the code of `wanted` names of ours, and of all that they use: of
    classes, the methods that training calls, or the user's `own` text."""
    folder = files("neural_dsl").joinpath("tasks")
    texts = [folder.joinpath(f"{name}.py").read_text("utf-8") for name in sources]
    known = [(defined(ast.unparse(n)), n, t) for t in texts for n in ast.parse(t).body]
    called = {n.attr for n in ast.walk(ast.parse(own)) if isinstance(n, ast.Attribute)}
    wanted, called, reached = {*wanted}, called | {*MEMBERS}, -1
    while reached != len(wanted) + len(called):  # until nothing more is
        reached = len(wanted) + len(called)
        code, end = "", -1
        for names, node, text in known:
            if names & wanted:
                source = _source(node, text, called)
                for inside in ast.walk(ast.parse(source)):
                    if isinstance(inside, ast.Name):
                        wanted.add(inside.id)
                    elif isinstance(inside, ast.Attribute):
                        called.add(inside.attr)
                code += ("\n" if node.lineno == end + 1 else "\n\n\n") + source
                end = node.end_lineno or end
    lines = (line for text in texts for line in _pasted(text)[0])
    return [n for n in lines if wanted.issuperset(imported_names(n))], code.strip("\n")


def _source(node: ast.stmt, text: str, called: set[str]) -> str:
    """The text of a definition; of a class, without the methods that nobody calls."""
    lines = text.splitlines()
    first = min(n.lineno for n in (node, *getattr(node, "decorator_list", ()))) - 1
    dropped = {
        line
        for item in getattr(node, "body", ())
        if isinstance(node, ast.ClassDef) and isinstance(item, ast.FunctionDef)
        if item.name not in called and not item.name.startswith("__")
        for line in range(item.lineno - 2, item.end_lineno or 0)  # and the empty one
    }
    kept = (n for n in range(first, node.end_lineno or first) if n not in dropped)
    return "\n".join(lines[n] for n in kept)


def refuse_taken_names(network: Network, source: TaskSource, rest: str) -> None:
    """Raise NE075 for a user's file whose names the emitted file needs for itself."""
    blocks = [node for node in ast.parse(rest).body if isinstance(node, ast.If)]
    run = {name for block in blocks for name in defined(ast.unparse(block))}
    used = {*defined(rest), *imported_names("\n".join(_pasted(rest)[0]))}
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


def _pasted(text: str) -> tuple[list[str], str]:
    """The imports of a file, one name each, and its text without them and its docstring."""
    lines: list[str | None] = [*text.splitlines()]
    imports: list[str] = []
    for number, node in enumerate(ast.parse(text).body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            names, node.names = node.names, []
            for name in (
                [] if module.startswith(("neural_dsl", "__future__")) else names
            ):
                node.names = [name]
                imports.append(ast.unparse(node))
        elif (
            number
            or not isinstance(node, ast.Expr)
            or not isinstance(node.value, ast.Constant)
        ):
            continue
        end = node.end_lineno or node.lineno
        lines[node.lineno - 1 : end] = [None] * (end - node.lineno + 1)
    return imports, "\n".join(line for line in lines if line is not None).strip("\n")
