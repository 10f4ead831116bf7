"""The data part of an emitted file, executed: NumPy alone, no model and no framework."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from neural_dsl.codegen.layout import lay_out
from neural_dsl.codegen.task_source import data_part
from neural_dsl.graph.nodes import Network
from neural_dsl.resolve.network import resolve
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
