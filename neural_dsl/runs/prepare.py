"""From a file, a wish or a run's folder to what is trained: checked, compiled, named."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neural_dsl import backends
from neural_dsl.codegen.generate import CompiledModel, generate
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.files import quoted, reason, write_bytes, write_text
from neural_dsl.graph.nodes import Network
from neural_dsl.resolve.network import resolve
from neural_dsl.runs import directory
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
    """What `neural train` was asked for.

    `settings` are assignments such as `train.batch_size=64`. `output` is the run's
    folder; None for runs/NAME, NAME being the file's. `overwrite` trains in the place of
    a finished run, with `force` of any. `trust` lets the code of a task of the user's own
    run.
    """

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


@dataclass(frozen=True)
class Prepared:
    """A run that may start: its folder, code, and what `run.json` will say of it.

    `text` is for `model.neural`; `kept` are the files that the run keeps for its task
    (`directory.KEPT`), by name. `given` is the network of a new run as it stands in the
    user's own file, None for a run that goes on.
    """

    folder: Path
    compiled: CompiledModel
    text: str
    kept: dict[str, bytes]
    seed: int
    warnings: tuple[Diagnostic, ...]
    about: dict[str, Any]
    given: Network | None = None

    @property
    def network(self) -> Network:
        """The checked model graph."""
        return self.compiled.network


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
    folder = request.output or default_folder(request)
    about = {
        "layout": directory.LAYOUT,
        "network": request.network,
        "source": os.path.relpath(request.file, folder),
        "source_sha256": digest(original.text),
        "backend": backend,
        "settings": list(request.settings),
        "data_sha256": data_digests(network),
        "kept": sorted(kept_as(network).values()),
    }
    text = with_kept_files(source, network, request.network).text
    run = _compiled(network, backend, folder, text, warnings, about)
    return replace(run, given=network)


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
        raise directory.no_whole_run(folder, f"its {directory.SOURCE} has no task")
    refuse_untrusted(network, trust)
    target = backends.choose(backend or about.get("backend"))
    return _compiled(
        network, target, folder, network.source.text, warnings, dict(about)
    )


def stored_network(folder: Path) -> tuple[Network, tuple[Diagnostic, ...]]:
    """The model graph of the run in a folder, from its own copy of the file, and the
    warnings. Raises NeuralError, NE156 for no run."""
    about = directory.read_about(folder)
    try:
        name = os.path.normpath(folder / about["source"])
        text = read_regular(folder / directory.SOURCE).decode()
        chosen, _ = about["network"], about["backend"]
        kept = about.get("kept", ())
        missing = [each for each in kept if not (folder / each).is_file()]
        if kept:
            name = _beside_kept(folder, name)
    except OSError as error:
        raise directory.no_whole_run(
            folder, f"its {directory.SOURCE}: {reason(error)}"
        ) from error
    except UnicodeDecodeError as error:
        raise directory.no_whole_run(
            folder, f"its {directory.SOURCE} is no text"
        ) from error
    except (KeyError, TypeError) as error:
        raise directory.no_whole_run(
            folder, f"its {directory.ABOUT} does not say what was trained"
        ) from error
    if missing:
        raise directory.no_whole_run(folder, f"its {missing[0]} is missing")
    copy = str(folder / directory.SOURCE)
    try:
        return resolve(parse(Source(name, text, copy=copy)), chosen)
    except NeuralError as error:
        if kept:
            raise
        raise _with_start_of_paths(error, Path(name).parent) from error


def _with_start_of_paths(error: NeuralError, start: Path) -> NeuralError:
    """The error, with what a run's copy of a file does not show: where paths in it start."""
    return NeuralError(
        *(
            replace(
                each,
                help=f"files that a run does not keep are looked for from {quoted(start)}"
                ", where its `.neural` file was: put them there, or train again",
            )
            if each.code == "NE075"
            else each
            for each in error.diagnostics
        )
    )


def default_folder(request: TrainRequest) -> Path:
    """runs/NAME, for the file of that name (and the network, where one was chosen)."""
    name = request.file.stem or "run"
    return Path("runs") / (f"{name}-{request.network}" if request.network else name)


def settled(run: Prepared) -> Prepared:
    """A new run whose files stand in its folder: compiled from what it keeps there, so
    that the folder may go elsewhere. Raises NeuralError NE134."""
    write_text(run.folder / directory.SOURCE, run.text)
    for name, content in run.kept.items():
        write_bytes(run.folder / name, content)
    if not run.kept:
        return run
    name = _beside_kept(run.folder, run.network.source.name)
    network, _ = resolve(parse(Source(name, run.text)), run.network.name)
    compiled = _compiled(
        network, run.compiled.backend, run.folder, run.text, run.warnings, run.about
    )
    return replace(compiled, given=run.given)


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


def _compiled(
    network: Network,
    backend: str,
    folder: Path,
    text: str,
    warnings: tuple[Diagnostic, ...],
    about: dict[str, Any],
) -> Prepared:
    compiled = generate(network, backend, directory.CODE)
    seed = int(network.train.get("seed") or 0)
    files = located_files(network)
    kept = {name: files[key].read_bytes() for key, name in kept_as(network).items()}
    return Prepared(folder, compiled, text, kept, seed, warnings, about)
