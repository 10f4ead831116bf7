"""The data part of an emitted file, executed: NumPy alone, no model and no framework."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

from neural_dsl.codegen.layout import lay_out
from neural_dsl.codegen.task_source import data_part
from neural_dsl.graph.nodes import Network
from neural_dsl.resolve.network import resolve
from neural_dsl.runs.task_files import run_task
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse

BATCH_SIZE = 64


def calculated(words: list[str]) -> list[str]:
    """What a sum or difference gives, `12+34=` symbol by symbol or in one piece."""
    a, sign, b = re.fullmatch(r"(\d+)([+-])(\d+)=", "".join(words)).groups()
    return [str(int(a) + int(b) if sign == "+" else int(a) - int(b))]


ANSWERS = {
    "Arithmetic": calculated,
    "Copy": lambda words: words,
    "Reverse": lambda words: words[::-1],
    "Sort": lambda words: sorted(words, key=lambda word: (len(word), word)),
    "Double": lambda words: words * 2,
    "PatternCompletion": lambda words: words[1:-1],
}
"""The words of an answer to those of a prompt, as Python itself works them out: every
task with `examples` has an entry."""
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
    return run_task(network_of(f"{name}({given})", folder, rest))


def written(value: Any) -> str:
    """A value in the language."""
    if isinstance(value, tuple):
        return f"({', '.join(map(written, value))}{',' * (len(value) == 1)})"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
