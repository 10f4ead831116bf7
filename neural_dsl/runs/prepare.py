"""From a file, a wish or a run's folder to what is trained: checked, compiled, named."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from neural_dsl import backends
from neural_dsl.codegen.generate import CompiledModel, generate
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.files import quoted, reason, write_bytes
from neural_dsl.graph.nodes import Network
from neural_dsl.resolve.network import resolve
from neural_dsl.runs import directory
from neural_dsl.runs.directory import CODE, SOURCE, About, no_whole_run
from neural_dsl.runs.overrides import with_settings
from neural_dsl.runs.task_files import (
    data_digests,
    kept_as,
    located_files,
    refuse_untrusted,
    refuse_without_task,
)
from neural_dsl.source import Source, read_regular
from neural_dsl.syntax.parser import parse, read_source


@dataclass(frozen=True)
class TrainRequest:
    """What `neural train` was asked for, as `api.train` has it."""

    file: Path
    output: Path | None = None
    backend: str | None = None
    network: str | None = None
    settings: tuple[str, ...] = ()
    resume: bool = False
    overwrite: bool = False
    force: bool = False
    device: str | None = None
    trust: bool = False

    @property
    def folder(self) -> Path:
        """That of the run, runs/NAME by default, NAME being the file's (and the network's,
        where one was chosen); or the file itself, where it is such a folder."""
        if directory.is_run(self.file):
            return self.file
        name = self.file.stem or "run"
        chosen = f"{name}-{self.network}" if self.network else name
        return self.output or Path("runs") / chosen


@dataclass(frozen=True)
class Prepared:
    """A run that may start: its folder, code, and what `run.json` says or will say of it.

    `given` is the network of a new run as it stands in the user's own file, None for a run
    that goes on; `files` are what its folder is to keep, by name: the text that is trained
    and the files of its task (`directory.KEPT`).
    """

    folder: Path
    compiled: CompiledModel
    about: About
    warnings: tuple[Diagnostic, ...]
    given: Network | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def network(self) -> Network:
        """The checked model graph."""
        return self.compiled.network

    @property
    def seed(self) -> int:
        """Of initial weights and batches."""
        return int(self.network.train.get("seed") or 0)


def prepare_new(request: TrainRequest) -> Prepared:
    """A run from a file and its settings. Raises NeuralError for what is wrong in them,
    NE161 for a network without a task."""
    original = read_source(request.file)
    resolve(parse(original), request.network)  # what the file itself has wrong, first
    source = with_settings(original, request.settings, request.network)
    network, warnings = resolve(parse(source), request.network)
    refuse_without_task(network)
    refuse_untrusted(network, request.trust)
    backend = backends.choose(request.backend, network.execution.get("backend"))
    folder, places, names = request.folder, located_files(network), kept_as(network)
    about: About = {
        "layout": directory.LAYOUT,
        "network": request.network,
        "source": os.path.relpath(request.file, folder),
        "source_sha256": digest(original.text),
        "backend": backend,
        "settings": list(request.settings),
        "data_sha256": data_digests(network),
        "kept": sorted(names.values()),
    }
    text = with_kept_files(source, network, request.network).text
    files = {name: places[key].read_bytes() for key, name in names.items()}
    compiled = generate(network, backend, CODE)
    files = {SOURCE: text.encode(), **files}
    return Prepared(folder, compiled, about, warnings, network, files)


def settled(run: Prepared) -> Prepared:
    """A new run whose files stand in its folder: compiled from what it keeps there, so
    that the folder may go elsewhere. Raises NeuralError NE134."""
    for name, content in run.files.items():
        write_bytes(run.folder / name, content)
    if len(run.files) == 1:
        return run
    name = _beside_kept(run.folder, run.network.source.name)
    source = Source(name, run.files[SOURCE].decode())
    network, _ = resolve(parse(source), run.network.name)
    return replace(run, compiled=generate(network, run.compiled.backend, CODE))


def prepare_again(
    folder: Path, trust: bool = False, backend: str | None = None
) -> Prepared:
    """The run in a folder, compiled from its own copy of the file, for its own backend
    or another one.

    The code is always written anew: a folder from elsewhere cannot make this program
    run what is not in its `.neural` file, and not its `task.py` without `trust`. Raises
    NeuralError, NE156 for no run.
    """
    about = directory.read_about(folder)
    network, warnings = stored_network(folder)
    if network.task is None:
        raise no_whole_run(folder, f"its {SOURCE} has no task")
    refuse_untrusted(network, trust)
    target = backends.choose(backend or about.get("backend"))
    return Prepared(folder, generate(network, target, CODE), about, warnings)


def stored_network(folder: Path) -> tuple[Network, tuple[Diagnostic, ...]]:
    """The model graph of the run in a folder, from its own copy of the file, and the
    warnings. Raises NeuralError, NE156 for no run."""
    about = directory.read_about(folder)
    if not {"source", "network", "backend"} <= about.keys():
        why = f"its {directory.ABOUT} does not say what was trained"
        raise no_whole_run(folder, why)
    path, kept = folder / SOURCE, about.get("kept", [])
    try:
        text = read_regular(path).decode()
    except OSError as error:
        raise no_whole_run(folder, f"its {SOURCE}: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise no_whole_run(folder, f"its {SOURCE} is no text") from error
    for each in kept:
        if not (folder / each).is_file():
            raise no_whole_run(folder, f"its {each} is missing")
    name = os.path.normpath(folder / about["source"])
    if kept:
        name = _beside_kept(folder, name)
    try:
        return resolve(parse(Source(name, text, copy=str(path))), about["network"])
    except NeuralError as error:
        if kept:
            raise
        # What the run's copy of a file does not show: where paths in it start.
        help = (
            f"files that a run does not keep are looked for from "
            f"{quoted(Path(name).parent)}, where its `.neural` file was: put them there, "
            "or train again"
        )
        found = error.diagnostics
        told = (replace(d, help=help) if d.code == "NE075" else d for d in found)
        raise NeuralError(*told) from error


def _beside_kept(folder: Path, source: str) -> str:
    """The name of a file's text where paths in it are relative to the run's folder."""
    return str(folder / Path(source).name)


def with_kept_files(source: Source, network: Network, chosen: str | None) -> Source:
    """The text for a run's folder, where copies of the task's files stand too."""
    kept = [f'task.{name}="{file}"' for name, file in kept_as(network).items()]
    return with_settings(source, kept, chosen) if kept else source


def digest(text: str) -> str:
    """What tells whether a file has changed."""
    return hashlib.sha256(text.encode()).hexdigest()
