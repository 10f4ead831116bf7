"""The pipeline, from `.neural` text to a Python file. Read this first.

    text -> syntax tree -> model graph -> emitted file

Each stage is a function from one frozen type to the next; each refuses bad input with a
`NeuralError` that carries every diagnostic it found.
"""

from __future__ import annotations

from pathlib import Path

from neural_dsl.catalogue.backends import (
    BACKEND_NAMES,
    BACKENDS,
    DEFAULT,
    BackendSpec,
    find_backend,
)
from neural_dsl.codegen.generate import CompiledModel, generate
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.graph.nodes import Network
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse, read_source


def compile_source(
    source: Source,
    backend: str = DEFAULT,
    network: str | None = None,
    file_name: str | None = None,
) -> tuple[CompiledModel, tuple[Diagnostic, ...]]:
    """Compile one network of a source; returns it with the warnings.

    `network` picks one by name (default: the last). `file_name` is the name under which
    the result will be run, for its docstring. Raises NeuralError.
    """
    target = backend_named(backend)
    tree = parse(source)
    graph, warnings = resolve(tree, network)
    model = generate(graph, target.name, file_name or target.file_name())
    return model, warnings


def compile_text(
    text: str, backend: str = DEFAULT, name: str = "model.neural"
) -> CompiledModel:
    """Compile the text of a `.neural` file. Raises NeuralError."""
    return compile_source(Source(name, text), backend)[0]


def compile_file(path: str | Path, backend: str = DEFAULT) -> CompiledModel:
    """Compile a `.neural` file. Raises NeuralError."""
    return compile_source(read_source(path), backend)[0]


def model_graph(path: str | Path, network: str | None = None) -> Network:
    """The checked model graph of a file. Raises NeuralError."""
    return resolve(parse(read_source(path)), network)[0]


def backend_named(name: str) -> BackendSpec:
    """The backend that a user's word means. Raises NeuralError for an unknown one."""
    backend = find_backend(name)
    if backend is None:
        meant = closest(name, BACKEND_NAMES)
        raise NeuralError(
            Diagnostic(
                "NE080",
                f"there is no backend `{name}`",
                help=(f"did you mean `{meant}`? " if meant else "")
                + f"backends: {', '.join(BACKENDS)}",
            )
        )
    return backend
