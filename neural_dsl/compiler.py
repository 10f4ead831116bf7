"""The pipeline, from `.neural` text to a Python file. Read this first.

    text -> syntax tree -> model graph -> emitted file

Each stage is a function from one frozen type to the next; each refuses bad input with a
`NeuralError` that carries every diagnostic it found.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias

from neural_dsl import backends
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.codegen.generate import CompiledModel, generate
from neural_dsl.diagnostics import refusal
from neural_dsl.files import quoted, reason
from neural_dsl.graph.nodes import Network
from neural_dsl.resolve.network import resolve
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse, read_source

PathLike: TypeAlias = "str | os.PathLike[str]"


def compile(
    source: PathLike | Source,
    backend: str | None = None,
    *,
    network: str | None = None,
    spell_out: bool = False,
) -> CompiledModel:
    """Check a file (or a text) and emit its code for one backend.

    `source` is a path, or the text itself when it contains a brace or a line break.
    `backend` is "pytorch" or "tensorflow"; by default the file's, NEURAL_BACKEND's, or
    the first one installed, and PyTorch when none is. `network` picks one of several.
    `spell_out` writes the arithmetic of attention in the open, in place of a fused kernel.
    """
    return emit(analyse(source, network), backend, spell_out=spell_out)


def analyse(source: PathLike | Source, network: str | None = None) -> Network:
    """The checked model graph of a path or text. Warnings are left to `neural check`."""
    tree = parse(as_source(source))
    graph, _warnings = resolve(tree, network)
    return graph


def emit(
    network: Network,
    backend: str | None = None,
    file_name: str | None = None,
    *,
    spell_out: bool = False,
) -> CompiledModel:
    """The code of a checked network, for a backend that need not be installed.
    `file_name` is what its docstring says to run."""
    wish = network.execution.get("backend")
    target = BACKENDS[backends.choose(backend, wish, must_run=False)]
    name = file_name or target.file_name()
    return generate(network, target.name, name, spell_out=spell_out)


def as_source(source: PathLike | Source) -> Source:
    """A path's content; a text as it is, under the name `<text>`."""
    if isinstance(source, Source):
        return source
    if is_text(source):
        return Source("<text>", str(source))
    path = as_path(source)
    if (path / "run.json").is_file():
        given = os.fspath(source)
        raise refusal(
            "NE002",
            f"{quoted(given)} is the folder of a run",
            help=f"open it with its trained weights: neural_dsl.open({given!r})",
        )
    return read_source(path)


def is_text(target: Any) -> bool:
    """Whether this is the text of a `.neural` file, no path."""
    return isinstance(target, str) and ("{" in target or "\n" in target)


def as_path(path: PathLike) -> Path:
    """A path that can be looked up. Raises NeuralError NE003, as for too long a name."""
    try:
        found = Path(path)
        found.exists()
    except (OSError, TypeError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise refusal(
            "NE003",
            f"{quoted(str(path))} cannot be read: {why}",
            help="check the path and its permissions",
        ) from error
    return found
