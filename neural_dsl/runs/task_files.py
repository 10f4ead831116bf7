"""The task of a run: made from its file's parameters, and the files that these name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from neural_dsl.catalogue.tasks import task_spec
from neural_dsl.catalogue.tasks.custom import CustomFile
from neural_dsl.codegen.task_source import array_inputs, data_part
from neural_dsl.codegen.training import DEFAULT_BATCH_SIZE
from neural_dsl.diagnostics import refusal
from neural_dsl.graph.nodes import Network
from neural_dsl.rules.measures import custom_of, goal_of
from neural_dsl.runs import directory

if TYPE_CHECKING:
    from neural_dsl.tasks.base import Task


def refuse_without_task(network: Network) -> None:
    """Raise NE161 for a network that says nothing of what to learn."""
    if network.task is None:
        raise refusal(
            "NE161",
            f"the network `{network.name}` has no task",
            help="add one, as in `task: Copy(length=8, vocabulary=20)`",
        )


def refuse_untrusted(network: Network, trust: bool) -> None:
    """Raise NE163 for a task of the user's own: its code is part of the emitted file."""
    if custom_of(network) is not None:
        from neural_dsl.tasks import custom

        custom.refuse_untrusted(located_files(network)["path"], trust)


def run_task(network: Network, module: ModuleType) -> Task:
    """The network's task: the package's own, whose examples are those of the emitted
    `module`; of a task of the user's own the module's, whose code is already trusted.

    `tell_places` has told the module where its files are. Raises NeuralError NE162 for
    data that the task refuses.
    """
    custom = custom_of(network)
    if custom is None:
        return package_task(network, module)
    with _refusals_named(network):
        return _custom_task(network, module, custom)


def package_task(network: Network, module: ModuleType | None = None) -> Task:
    """One of the tasks of `neural_dsl/tasks`. That of a file works over the data part of
    the emitted `module`, made for it where there is none. Raises NeuralError NE162."""
    setting = network.task
    assert setting is not None
    spec, params = task_spec(setting.name), dict(setting.params)
    made = getattr(import_module(f"neural_dsl.tasks.{spec.data}"), setting.name)
    task: Any
    if spec.problems is not None:
        task = made(**params)
        task.seed = network.train.get("seed") or 0
        task.batch_size = network.train.get("batch_size") or DEFAULT_BATCH_SIZE
        return task  # type: ignore[no-any-return]
    if setting.name == "Arrays":
        params["inputs"] = array_inputs(network)
    folder, seed = Path(network.source.name).parent, network.train.get("seed") or 0
    with _refusals_named(network):
        task = made(spec, params, folder, module or data_module(network), seed)
    return task  # type: ignore[no-any-return]


def data_module(network: Network) -> ModuleType:
    """The data part of the network's script alone, at work. Its code is this program's;
    a task of the user's own has none here."""
    assert custom_of(network) is None
    part, module = data_part(network), ModuleType("data_part")
    exec("\n".join((*part.imports, part.code)), vars(module))
    size = network.train.get("batch_size") or DEFAULT_BATCH_SIZE
    vars(module)["BATCH_SIZE"] = size
    tell_places(network)(module)
    return module


def tell_places(
    network: Network, run: Path | None = None
) -> Callable[[ModuleType], None]:
    """What tells an emitted module where the files of its task stand: its constants
    PATH and TOKENIZER are relative to wherever its script is run, and the tokenizer that
    a `run` learnt is in its folder."""

    def tell(module: ModuleType) -> None:
        for name, path in located_files(network).items():
            if hasattr(module, name.upper()):
                setattr(module, name.upper(), str(path))
        stored = run and run / directory.TOKENIZER
        if stored and stored.is_file() and hasattr(module, "tokenizer"):
            from tokenizers import Tokenizer

            with _refusals_named(network):
                try:
                    learnt = Tokenizer.from_file(str(stored))
                except Exception as error:  # the library raises no narrower one
                    raise ValueError(f"{stored} is no tokenizer: {error}") from error
            vars(module)["tokenizer"] = lambda: learnt

    return tell


@contextmanager
def _refusals_named(network: Network) -> Iterator[None]:
    """NE162 for what a task raises when it is made."""
    setting = network.task
    assert setting is not None
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        missing = getattr(error, "name", None)
        raise refusal(
            "NE162",
            f"the data of the task `{setting.name}` cannot be used: {error}",
            network.source,
            setting.span,
            help=f"pip install {missing}" if missing else "",
        ) from error


def _custom_task(network: Network, module: Any, custom: CustomFile) -> Task:
    """The user's own task. Raises ValueError."""
    from neural_dsl.tasks.checked import exits_are_errors, watched
    from neural_dsl.tasks.custom import bases, is_stub, refuse_unfinished

    path = str(located_files(network)["path"])
    try:
        with exits_are_errors():
            task: Task = module.task()
    except Exception as error:
        raise ValueError(f"{path} fails: {type(error).__name__}: {error}") from error
    for base in bases(custom.builds_on):  # what the script does without
        emitted = getattr(module, base.__name__)
        for name in vars(base).keys() - vars(emitted).keys():
            setattr(emitted, name, vars(base)[name])
    refuse_unfinished(task, module.Task, path)
    measured = goal_of(network).measure
    if task.measure != measured:
        raise ValueError(
            f'the measure of {custom.name} is "{task.measure}", but what the network '
            f'gives is measured by {measured}: write `measure = "{measured}"` in the class'
        )
    read = network.inputs[0]
    longest = read.tensor.shape[0] if read.tensor.dtype == "ids" else None
    watched(task, is_stub, longest, read.vocabulary)
    return task


def located_files(network: Network) -> dict[str, Path]:
    """The task's parameters that name files -> where these are."""
    assert network.task is not None
    params, folder = network.task.params, Path(network.source.name).parent
    names = task_spec(network.task.name).files(params)
    return {name: folder / params[name] for name in names}


def data_digests(network: Network) -> dict[str, str]:
    """The task's parameters that name files -> what tells whether these have changed."""
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in located_files(network).items()
    }


def kept_as(network: Network) -> dict[str, str]:
    """The task's parameters that name files which runs keep -> the names there."""
    assert network.task is not None
    names = directory.KEPT.get(network.task.name, {})
    return {k: v for k, v in names.items() if k in located_files(network)}
