"""From a file, a wish or a run's folder to what is trained: checked, compiled, named."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from neural_dsl import backends
from neural_dsl.codegen.generate import CompiledModel
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.files import quoted, reason
from neural_dsl.ir.nodes import Network
from neural_dsl.ir.resolve import resolve
from neural_dsl.runs import directory
from neural_dsl.runs.overrides import with_settings
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse, read_source

if TYPE_CHECKING:
    from neural_dsl.tasks.base import Task

PATHS = ("path", "tokenizer")  # parameters of tasks that may name a file


@dataclass(frozen=True)
class TrainRequest:
    """What `neural train` was asked for.

    `settings` are assignments such as `train.batch_size=64`. `output` is the run's
    folder; None for runs/NAME, NAME being the file's.
    """

    file: Path
    output: Path | None = None
    backend: str | None = None
    network: str | None = None
    settings: tuple[str, ...] = ()
    resume: bool = False
    device: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A run that may start: its folder, code, and what `run.json` will say of it."""

    folder: Path
    compiled: CompiledModel
    text: str
    seed: int
    warnings: tuple[Diagnostic, ...]
    about: dict[str, Any]

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
    backend = backends.choose(request.backend, network.execution.get("backend"))
    folder = request.output or default_folder(request)
    about = {
        "network": request.network,
        "source": os.path.relpath(request.file, folder),
        "source_sha256": digest(original.text),
        "backend": backend,
        "settings": list(request.settings),
    }
    return _compiled(network, backend, folder, source.text, warnings, about)


def refuse_without_task(network: Network) -> None:
    """Raise NE161 for a network that says nothing of what to learn."""
    if network.task is None:
        raise NeuralError(
            Diagnostic(
                "NE161",
                f"the network `{network.name}` has no task",
                help="add one, as in `task: Copy(length=8, vocabulary=20)`",
            )
        )


def prepare_again(folder: Path) -> Prepared:
    """The run in a folder, compiled from its own copy of the file.

    The code is always written anew: a folder from elsewhere cannot make this program
    run what is not in its `.neural` file. Raises NeuralError, NE156 for no run.
    """
    about = directory.read_about(folder)
    try:
        name = os.path.normpath(folder / about["source"])
        text = (folder / directory.SOURCE).read_text("utf-8")
        backend, chosen = about["backend"], about["network"]
    except OSError as error:
        raise _no_whole_run(
            folder, f"its {directory.SOURCE}: {reason(error)}"
        ) from error
    except UnicodeDecodeError as error:
        raise _no_whole_run(folder, f"its {directory.SOURCE} is no text") from error
    except (KeyError, TypeError) as error:
        raise _no_whole_run(
            folder, f"its {directory.ABOUT} does not say what was trained"
        ) from error
    network, warnings = resolve(parse(Source(name, text)), chosen)
    return _compiled(
        network, backends.choose(backend), folder, text, warnings, dict(about)
    )


def _no_whole_run(folder: Path, why: str) -> NeuralError:
    """NE156: a folder that a training began, and something has damaged."""
    return NeuralError(
        Diagnostic(
            "NE156",
            f"{quoted(folder)} is not the folder of a whole run: {why}",
            help="train again, into another folder",
        )
    )


def refuse_changes(run: Prepared, request: TrainRequest) -> None:
    """Raise NE157 when resuming would not go on with the very same training."""

    def changed(what: str) -> NeuralError:
        return NeuralError(
            Diagnostic(
                "NE157",
                f"the run in {quoted(run.folder)} cannot go on: {what}",
                help="a run goes on exactly as it began; start another one by "
                "--output-dir, or resume this one as it is by "
                f"`neural train {run.folder} --resume`",
            )
        )

    about = run.about
    if not request.file.is_dir():
        original = read_source(request.file)
        if digest(original.text) != about.get("source_sha256"):
            raise changed(f"{quoted(request.file)} has changed since it began")
        if request.settings:
            asked = with_settings(original, request.settings, request.network)
            if asked.text != run.text:
                raise changed("it began with other settings")
    if request.backend and backends.choose(request.backend) != run.compiled.backend:
        raise changed(f"it began on {run.compiled.backend}")
    if request.network and request.network != run.network.name:
        raise changed(f"it trains the network `{run.network.name}`")
    try:
        code = (run.folder / directory.CODE).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise changed(f"its {directory.CODE} cannot be read ({error})") from error
    if code != run.compiled.code:
        raise changed(
            f"its {directory.CODE} is not what this version of neural writes for it"
        )


def default_folder(request: TrainRequest) -> Path:
    """runs/NAME, for the file of that name (and the network, where one was chosen)."""
    name = request.file.stem or "run"
    return Path("runs") / (f"{name}-{request.network}" if request.network else name)


def make_task(network: Network) -> Any:
    """A function that makes the network's task from the module that holds its class.

    Paths in the file are relative to the file. Raises NeuralError NE162 for data that
    the task refuses.
    """
    setting = network.task
    assert setting is not None

    def make(module: ModuleType) -> Task:
        params = located(setting.params, Path(network.source.name).parent)
        try:
            task: Task = getattr(module, setting.name)(**params)
        except (OSError, ValueError, ImportError) as error:
            raise NeuralError(
                Diagnostic(
                    "NE162",
                    f"the data of the task `{setting.name}` cannot be used: {error}",
                    network.source,
                    setting.span,
                )
            ) from error
        return task

    return make


def located(params: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Parameters with every file name made relative to the working directory."""
    found = dict(params)
    for name in PATHS:
        value = found.get(name)
        if isinstance(value, str) and ("." in value or "/" in value):
            found[name] = str(folder / value)
    return found


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
    from neural_dsl.codegen.generate import generate
    from neural_dsl.compiler import backend_named

    compiled = generate(network, backend_named(backend), directory.CODE)
    seed = int(network.train.get("seed") or 0)
    return Prepared(folder, compiled, text, seed, warnings, about)
