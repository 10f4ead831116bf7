"""The source of a task, as the emitted file contains it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

from neural_dsl.catalogue.tasks import task_spec
from neural_dsl.catalogue.tasks.custom import MEMBERS, defined
from neural_dsl.catalogue.tasks.files import array_shapes
from neural_dsl.catalogue.tasks.spec import held_out_bounds
from neural_dsl.catalogue.tasks.splits import multiplier
from neural_dsl.codegen.environment import environment
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.graph.nodes import Network
from neural_dsl.rules.measures import custom_of, goal_of


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


IMPORTS = """import math
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any
import numpy as np"""
"""What a data part may import; what it does not mention is left out."""


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
    code = template.render(t=_described(network)).strip("\n") + "\n"
    imports = tuple(IMPORTS.splitlines())
    custom = custom_of(network)
    if custom is None:
        return TaskSource(imports, code)
    needed, base = _pasted(_only_training(module_text("base")))
    lines, own = _pasted(custom.text)
    postponed = "from __future__" in custom.text
    code = "\n\n\n".join([base, own, code])
    return TaskSource((*imports, *needed, *lines), code, own, postponed)


def _only_training(text: str) -> str:
    """The file of `Task` without the methods that training does not call."""
    lines = text.splitlines()
    (base,) = (n for n in ast.parse(text).body if isinstance(n, ast.ClassDef))
    for node in reversed(base.body):
        if isinstance(node, ast.FunctionDef) and node.name not in MEMBERS:
            del lines[
                node.lineno - 2 : node.end_lineno
            ]  # with the empty line before it
    return "\n".join(lines)


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
            _describe_arrays(t, network, array_shapes(t.path, folder))
        case "custom":
            custom = custom_of(network)
            assert custom is not None
            t.name = custom.name
    return t


def _describe_arrays(
    t: SimpleNamespace, network: Network, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    inputs = network.inputs
    alone = len(inputs) == 1 and inputs[0].name == "input"
    kinds = ["int64" if i.tensor.dtype == "ids" else "float32" for i in inputs]
    names = ["x"] if alone else [i.name for i in inputs]
    t.inputs = list(zip(names, kinds, strict=True))
    t.missing = [s for s in ("validation", "test") if f"y_{s}" not in shapes]
    labels = goal_of(network).loss.name == "sparse_categorical_crossentropy"
    t.target_type = "int64" if labels else "float32"
    t.column = labels and len(network.output.shape) == 1 and len(shapes["y"]) == 2


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
