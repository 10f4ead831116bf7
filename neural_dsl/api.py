"""The Python API, which is also what the commands call.

    import neural_dsl as nd

    run = nd.open("runs/copy")                 # its trained weights
    nd.predict(run, "dabc:")                   # [Answer(prompt="dabc:", text="dabc", …)]
    record = nd.capture(run, prompt="dabc:")   # as `neural visualize RUN --attention`

`compiler.compile` and `targets.file.load` are the rest. Bad input raises `NeuralError`,
whose `diagnostics` say what and where.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from neural_dsl import targets
from neural_dsl.compiler import PathLike, as_path, is_text
from neural_dsl.diagnostics import NeuralError
from neural_dsl.files import quoted
from neural_dsl.targets.base import Given, Target, refused

if TYPE_CHECKING:
    from neural_dsl.attention.record import AttentionRecord
    from neural_dsl.runs.evaluation import Report
    from neural_dsl.runs.journal import Watcher
    from neural_dsl.runs.loaded import LoadedRun
    from neural_dsl.runs.prompted import Answer
    from neural_dsl.runs.train import Outcome
    from neural_dsl.targets.file import Model
    from neural_dsl.targets.module import ModuleTarget

Opened: TypeAlias = "Model | LoadedRun | ModuleTarget"


def open(
    target: Any,
    *,
    weights: PathLike | None = None,
    backend: str | None = None,
    seed: int = 0,
    network: str | None = None,
    trust: bool = False,
) -> Opened:
    """Open a model, whatever it is.

    - A `.neural` file or its text → `Model` (see `load`): `weights` is a safetensors
      file, without it they are random from `seed`; `network` picks one of several.
    - The folder of a run → `LoadedRun` with its trained weights: `weights` is "best" or
      "last", without it those that training ended with.
    - A live `torch.nn.Module` or Keras model → `ModuleTarget`, with the weights it has.

    `trust` lets the code of a task of the user's own (`Custom`) run. Raises NeuralError:
    NE112 for what cannot be opened, and as reading a file or a run does.
    """
    if isinstance(target, (str, os.PathLike)) and not is_text(target):
        target = as_path(target)
    options = {"weights": weights, "backend": backend, "seed": seed}
    for kind in kinds():
        found = kind.opened(target, **options, network=network, trust=trust)
        if found is not None:
            opened: Opened = found
            return opened
    raise nothing_to_open(target)


def kinds() -> Iterator[ModuleType]:
    """The modules that open a kind of target each: those of `targets`, and that of runs."""
    names = [
        f"neural_dsl.targets.{each.name}" for each in iter_modules(targets.__path__)
    ]
    names.append("neural_dsl.runs.loaded")
    # Any object may be a module of somebody's: that one is asked last.
    for name in sorted(names, key=lambda name: name.endswith(".module")):
        module = import_module(name)
        if hasattr(module, "opened"):
            yield module


def capture(
    target: Any,
    data: Any = None,
    *,
    tokens: str | Sequence[str] | Mapping[str, Any] | None = None,
    prompt: str | None = None,
    layers: str | int | Iterable[str | int] | None = None,
    seed: int = 0,
    batch_item: int = 0,
) -> AttentionRecord:
    """Run a model once and record what its attention heads did.

    `target` is what `open` gave, or what it takes. What the model reads:

    - a model of a `.neural` file: `data`, a path to .npy or .npz, an array (batch first)
      or a dict of arrays by input; None draws one random example from `seed`. `tokens`
      are labels, "The,cat,sat" or a list, or a dict by input: they set the length of
      random input, and label `batch_item` of given data;
    - a run: `prompt`, which it answers meanwhile; or `data`; without both the first
      problem of its test split;
    - a live module: `data`, a dict of its call's arguments, or its first argument.

    `layers`: attention or layer names, or indices, one or several; None or empty for
    all. The record's arrays are float32 (batch, heads, query, key). Raises NeuralError.
    """
    from neural_dsl.attention.record import check_batch_item
    from neural_dsl.targets.record import record

    opened = target if isinstance(target, Target) else open(target, seed=seed)
    batch = opened.encode(Given(data, tokens, prompt, seed, batch_item))
    seen = record(opened, batch, opened.select(layers, batch))
    check_batch_item(batch_item, seen[0].shape[0])
    return seen


def predict(run: LoadedRun | PathLike, prompts: str | Sequence[str]) -> list[Answer]:
    """The answers of a run, or of the run in a folder: what `neural predict` prints.

    Raises NeuralError: NE159 for a prompt that the task cannot read, NE160 for a task
    without answers, NE156 for no run.
    """
    from neural_dsl.runs.prompted import predicted
    from neural_dsl.runs.reading import as_prompt

    several = isinstance(prompts, Iterable) and not isinstance(prompts, str)
    asked = [(as_prompt(one), "") for one in (prompts if several else [prompts])]
    answers, unreadable = predicted(as_run(run), asked)
    if unreadable:
        raise NeuralError(*unreadable)
    return [one for one in answers if one is not None]


def evaluate(run: LoadedRun | PathLike, split: str = "test") -> Report:
    """How good a run is on problems that it has never seen: what `neural evaluate`
    prints, as its `Report`. `split` is "test" or "validation". Raises NeuralError."""
    from neural_dsl.runs.evaluation import evaluate as report

    if split not in ("test", "validation"):
        raise refused(
            f"a run has no split {split!r} to be tested on",
            'they are "test" and "validation"',
        )
    return report(as_run(run), split)


def as_run(
    run: LoadedRun | PathLike, weights: str | None = None, trust: bool = False
) -> LoadedRun:
    """A run as it is, or the one in a folder. Raises NeuralError NE156 for a folder
    without one, NE112 for what is no run."""
    from neural_dsl.runs.loaded import LoadedRun, open_run

    if isinstance(run, LoadedRun):
        return run
    if isinstance(run, (str, os.PathLike)):
        return open_run(as_path(run), weights, trust)
    raise refused(
        f"a {type(run).__name__} is no run, which alone knows its task",
        "open the folder that `neural train` made",
    )


def train(
    source: PathLike,
    output_dir: PathLike | None = None,
    *,
    settings: Mapping[str, Any] | Sequence[str] | None = None,
    seed: int | None = None,
    backend: str | None = None,
    network: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    force: bool = False,
    device: str | None = None,
    trust: bool = False,
    watcher: Watcher | None = None,
) -> Outcome:
    """Train a file's network on its task, in a folder as `neural train` makes it.

    `output_dir` is runs/NAME by default; `settings` change the file's for this run:
    `{"train.epochs": 2, "optimizer.learning_rate": 1e-3}`. `resume` goes on with the run
    in the folder; `overwrite` trains anew in the place of a finished run, with `force` of
    any. Nothing is printed; a `watcher` is told of steps and validations. The `Outcome`
    has the status ("finished", "interrupted" by Ctrl-C, or "nothing to do"), the folder,
    the last step and the measures on the test split. Raises NeuralError.
    """
    from neural_dsl.runs.journal import Watcher
    from neural_dsl.runs.prepare import TrainRequest
    from neural_dsl.runs.train import train as go

    given = list(settings or ())
    if isinstance(settings, Mapping):
        given = [f"{name}={as_written(value)}" for name, value in settings.items()]
    if seed is not None:
        given.append(f"train.seed={seed}")
    path, output = as_path(source), None if output_dir is None else Path(output_dir)
    wish = (path, output, backend, network, tuple(given), resume, overwrite, force)
    return go(TrainRequest(*wish, device, trust), watcher or Watcher())


def as_written(value: Any) -> str:
    """A setting as a `.neural` file has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def nothing_to_open(path: Path) -> NeuralError:
    """NE112: neither a file nor a run, with what it looks like."""
    shown = quoted(path)
    hint = (
        "Hugging Face models: load it with transformers and open the module: "
        "nd.open(AutoModel.from_pretrained(…))"
    )
    if not path.is_dir():
        names = [one.name for one in path.parent.glob("*")]
        close = get_close_matches(path.name, names, n=1)
        meant = f"did you mean {quoted(path.with_name(close[0]))}? " if close else ""
        return refused(f"there is no file or folder {shown}", meant + hint)
    if (path / "config.json").is_file():
        return refused(f"{shown} is a Hugging Face model, which cannot be opened", hint)
    return refused(f"{shown} is a folder without a run", "`neural train` makes runs")
