"""The task of a run: made from its file's parameters, the files that these name, and
whether files and examples are still those that the run began with.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from neural_dsl.codegen.task_source import data_part
from neural_dsl.codegen.training import DEFAULT_BATCH_SIZE
from neural_dsl.diagnostics import refusal
from neural_dsl.files import quoted
from neural_dsl.graph.nodes import Network
from neural_dsl.rules.measures import custom_of, goal_of
from neural_dsl.runs import directory
from neural_dsl.tasks import checked, task_spec
from neural_dsl.tasks.base import SPLITS, Task
from neural_dsl.tasks.custom import CustomFile
from neural_dsl.tasks.problems import ProblemSpec

LOOKED_AT = 200  # examples of each split, for a digest
SEEDED = (
    "what was held out can only be told where the splits stay the same: seed every random "
    "choice, as in `np.random.default_rng(0)`"
)


def refuse_without_task(network: Network) -> None:
    """Raise NE161 for a network that says nothing of what to learn."""
    if network.task is None:
        raise refusal(
            "NE161",
            f"the network `{network.name}` has no task",
            help="add one, as in `task: Copy(length=8, vocabulary=20)`",
        )


def refuse_untrusted(network: Network, trust: bool) -> None:
    """Raise NE163 without trust for a task of the user's own, whose code is part of the
    emitted file: a `.neural` file must not be able to run code unasked."""
    if custom_of(network) is not None and not trust:
        path = quoted(located_files(network)["path"])
        raise refusal(
            "NE163",
            f"the task is code, in {path}, and code runs only with --trust",
            help="read the file; if you trust it, add --trust to the command",
        )


def run_task(network: Network, module: ModuleType | None = None) -> Any:
    """The network's `Task`. That of a file works over the data part of the emitted `module`,
    made for it where there is none, and `tell_places` has told that where its files are; a
    task of the user's own is the module's, whose code is already trusted.

    Raises NeuralError NE162 for data that the task refuses.
    """
    assert network.task is not None
    setting, custom = network.task, custom_of(network)
    spec, folder = task_spec(setting.name), Path(network.source.name).parent
    seed = network.train.get("seed") or 0
    with _refusals_named(network):
        if isinstance(spec, ProblemSpec):
            task = spec.made(setting.params)
            task.seed, task.batch_size = seed, batch_size(network)
            return task
        data = module or data_module(network)
        if custom is None:
            return spec.task(spec, setting.params, folder, data, seed)
        return _custom_task(network, data, custom, trains=module is not None)


def batch_size(network: Network) -> int:
    """How many examples a step has."""
    return network.train.get("batch_size") or DEFAULT_BATCH_SIZE


def data_module(network: Network) -> ModuleType:
    """The data part of the network's script alone, at work: this program's code, and that
    of a task of the user's own, which must be trusted. Raises ValueError for what fails
    in it."""
    part, files = data_part(network), located_files(network)
    module = sys.modules["task_data"] = ModuleType("task_data")  # for dataclasses in it
    code = "from __future__ import annotations\n" * part.postponed
    code += "\n".join((*part.imports, part.code))
    vars(module).update(BATCH_SIZE=batch_size(network), __file__=str(files.get("path")))
    with checked.foreign_code(files.get("path", Path())):
        exec(code, vars(module))
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


def _custom_task(
    network: Network, module: Any, custom: CustomFile, *, trains: bool
) -> Task:
    """The user's own task. Raises ValueError."""
    path, read = located_files(network)["path"], network.inputs[0]
    longest = read.tensor.shape[0] if read.tensor.dtype == "ids" else None
    with checked.foreign_code(path):
        task: Task = module.task()
    checked.give_back(module, custom.builds_on)
    checked.refuse_unfinished(task, module.Task, path, longest)
    measured = goal_of(network).measure
    if trains and task.measure != measured:
        raise ValueError(
            f'the measure of {custom.name} is "{task.measure}", but what the network '
            f'gives is measured by {measured}: write `measure = "{measured}"` in the class'
        )
    checked.watched(task, longest, read.vocabulary)
    return task


# --- the same as before? ------------------------------------------------------------------


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


def split_digests(task: Any) -> dict[str, str]:
    """Split -> what tells its size and examples, a bounded number all over it. This is for
    what no file shows: code that draws its splits anew each time, or another NumPy."""
    found: dict[str, str] = {}
    with checked.failures_named(task):
        for split in SPLITS:
            size = int(task.size(split))
            chosen = np.unique(np.linspace(0, size - 1, LOOKED_AT).astype(np.int64))
            x, y = task.batch(split, chosen)
            digest = hashlib.sha256(f"{size}".encode())
            for array in (*(x if isinstance(x, tuple) else (x,)), y):
                digest.update(f"{array.dtype} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
            found[split] = digest.hexdigest()
    return found


def refuse_other_splits(
    known: Mapping[str, str], task: Any, folder: Path | None = None
) -> None:
    """Raise NE162 for other examples than the run in a folder began with, by its digests
    (a run of before there were any knows none); without a folder, than the same task had
    when it was made before."""
    found = split_digests(task) if known else {}
    other = next((s for s in found if known.get(s, found[s]) != found[s]), None)
    if other is None:
        return
    what, help = f"`{type(task).__name__}` has other {other} examples ", SEEDED
    began = folder and f"than when the run in {quoted(folder)} began"
    if type(task).__module__.startswith("neural_dsl."):
        way = "this version draws them in another way than the one that it began with"
        help = f"{way}: train again"
    raise refusal("NE162", what + (began or "each time it is made"), help=help)


def refuse_unknown_splits(
    about: Mapping[str, Any], task: Any, folder: Path, split: str
) -> None:
    """Raise NE162 for the split of a run of an older layout whose examples were others:
    what is held out now, the model may have been trained on."""
    if about.get("layout", 1) == directory.LAYOUT:
        return
    known = about.get("splits_sha256", {}).get(split)
    if known is None or known != split_digests(task)[split]:
        raise refusal(
            "NE162",
            f"another version of neural trained the run in {quoted(folder)}, with other "
            f"examples: it may have learnt those of the {split} split",
            help="train anew to test; `neural predict` and `neural visualize` use its "
            "weights as they are",
        )
