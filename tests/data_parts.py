"""The data part of an emitted file, executed: NumPy alone, no model and no framework."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from neural_dsl.codegen.layout import lay_out
from neural_dsl.codegen.task_source import data_part
from neural_dsl.graph.nodes import Network
from neural_dsl.resolve.network import resolve
from neural_dsl.runs.task_files import package_task
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse

BATCH_SIZE = 64
SYMBOLS = 'Embedding(output_dim=8) Output(activation="softmax")'


def network_of(
    task: str, folder: Path = Path(), rest: str = "", layers: str = SYMBOLS
) -> Network:
    """A small network with this task. Raises NeuralError."""
    text = f"network N {{ task: {task} {rest}\n layers: {layers} }}"
    return resolve(parse(Source(str(folder / "n.neural"), text)))[0]


def data_of(network: Network, **constants: object) -> ModuleType:
    """The data part of a network as a module; `constants` are set before its first call."""
    part = data_part(network)
    module = ModuleType("data_of_a_file")
    code = lay_out("\n".join([*part.imports, part.code]))
    vars(module)["BATCH_SIZE"] = BATCH_SIZE
    exec(compile(code, "data part", "exec"), vars(module))
    vars(module).update(constants)
    return module


def task_of(name: str, folder: Path = Path(), rest: str = "", **options: Any) -> Any:
    """The program's own task with these options, over its data part at work."""
    given = ", ".join(f"{k}={written(v)}" for k, v in options.items())
    return package_task(network_of(f"{name}({given})", folder, rest))


def written(value: Any) -> str:
    """A value in the language."""
    if isinstance(value, tuple):
        return f"({', '.join(map(written, value))}{',' * (len(value) == 1)})"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
