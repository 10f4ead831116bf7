"""One way to open whatever can be looked at, and what the commands give, for Python.

run = nd.open("runs/copy")                 # its trained weights
nd.predict(run, "dabc:")                   # [Answer(prompt="dabc:", text="dabc", …)]
record = nd.capture(run, prompt="dabc:")   # as `neural visualize RUN --attention`
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from neural_dsl import api
from neural_dsl.api import PathLike
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.files import quoted
from neural_dsl.source import Source

if TYPE_CHECKING:
    from neural_dsl.attention.record import AttentionRecord
    from neural_dsl.runs.evaluation import Report
    from neural_dsl.runs.loaded import LoadedRun
    from neural_dsl.runs.train import Outcome, Watcher
    from neural_dsl.targets.module import ModuleTarget

Opened: TypeAlias = "api.Model | LoadedRun | ModuleTarget"


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
    if not isinstance(target, (str, os.PathLike, Source)):
        from neural_dsl.targets.module import ModuleTarget

        refuse_options("a live module", weights, backend, network)
        return ModuleTarget(target)
    if not isinstance(target, Source) and not api.is_text(target):
        from neural_dsl.runs.directory import is_run

        path = api.as_path(target)
        if is_run(path):
            from neural_dsl.runs.loaded import open_run

            refuse_options("a run", None, None, network)
            if weights not in (None, "best", "last"):
                raise refused(
                    f"a run has no weights {weights!r}", 'they are "best" or "last"'
                )
            chosen = None if weights is None else str(weights)
            return open_run(path, chosen, trust, backend)
        if path.is_dir() or not (path.exists() or path.suffix in (".neural", ".nr")):
            raise nothing_to_open(path)
    return api.load(
        target, backend, weights=weights, seed=seed, network=network, trust=trust
    )


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
    from neural_dsl.attention.items import check_batch_item
    from neural_dsl.runs.loaded import LoadedRun

    known = isinstance(target, (api.Model, LoadedRun)) or hasattr(target, "attend")
    opened = target if known else open(target, seed=seed)
    if isinstance(opened, LoadedRun):
        if data is None:
            if tokens is not None:
                raise refused(
                    "the tokens of a run are its task's symbols, which labels would hide",
                    "give the text as `prompt`, or arrays as `data`",
                )
            check_batch_item(batch_item, 1)
            return _reading(opened, prompt, layers)
        if prompt is not None:
            raise refused("a run reads a prompt, or data", "leave one of them out")
        opened = opened.model
    if prompt is not None:
        raise refused(
            "a prompt is for the run of a task, which knows how to read it",
            "label positions with `tokens`, or give arrays as `data`",
        )
    if isinstance(opened, api.Model):
        return _of_network(opened, data, tokens, layers, seed, batch_item)
    return _of_module(opened, data, tokens, layers, batch_item)


def _reading(run: LoadedRun, prompt: str | None, layers: Any) -> AttentionRecord:
    """The attention of a run while it answers."""
    from neural_dsl.inputs.selection import select_layers
    from neural_dsl.runs import prompted

    if prompt is None:
        reading, origin = prompted.read_held_out(run), "first held-out problem"
    else:
        reading = prompted.read_prompt(run, as_prompt(prompt))
        origin = f'prompt "{prompted.shortened(prompt)}"'
    names = select_layers(run.network, layers)
    return prompted.capture(run, reading, origin, names).record


def _of_network(
    model: api.Model, data: Any, tokens: Any, layers: Any, seed: int, item: int
) -> AttentionRecord:
    """The attention of the model of a `.neural` file."""
    from neural_dsl.attention.items import check_batch_item
    from neural_dsl.inputs import prepare
    from neural_dsl.inputs.selection import select_layers
    from neural_dsl.targets.network import NetworkTarget
    from neural_dsl.targets.record import record

    names = select_layers(model.network, layers)
    prepared = prepare(model.network, data, tokens, seed)
    check_batch_item(item, prepared.batch_size)
    target = NetworkTarget(model.runtime)
    return record(target, target.encode(prepared, item=item), target.named(names))


def _of_module(
    target: ModuleTarget, data: Any, tokens: Any, layers: Any, item: int
) -> AttentionRecord:
    """The attention of a model that is not ours."""
    from neural_dsl.attention.items import check_batch_item
    from neural_dsl.inputs.selection import wishes
    from neural_dsl.targets.base import refuse_missing
    from neural_dsl.targets.record import record

    if tokens is not None:
        raise refused("nobody knows which input of a live module tokens label", "")
    batch = target.encode(data)
    wanted = wishes(layers)
    sites = None
    if wanted:
        found = target.sites(batch)
        named: dict[str | int, Any] = {site.name: site for site in found}
        named |= dict(enumerate(found))
        sites = []
        for one in wanted:
            if one not in named:
                raise refuse_missing(str(one), [site.name for site in found])
            sites.append(named[one])
    seen = record(target, batch, sites)
    check_batch_item(item, seen[0].shape[0])
    return seen


@dataclass(frozen=True)
class Answer:
    """What a run answered, decoded greedily.

    `right` is the right answer, None where there is no one right answer; `remark` says
    when the prompt is of a kind that the run never trained on, "" otherwise.
    """

    prompt: str
    text: str
    right: str | None
    remark: str


def predict(run: LoadedRun | PathLike, prompts: str | Sequence[str]) -> list[Answer]:
    """The answers of a run, or of the run in a folder: what `neural predict` prints.

    Raises NeuralError: NE159 for a prompt that the task cannot read, NE160 for a task
    without answers, NE156 for no run.
    """
    several = isinstance(prompts, Iterable) and not isinstance(prompts, str)
    asked = [(as_prompt(one), "") for one in (prompts if several else [prompts])]
    answers, unreadable = answer(as_run(run), asked)
    if unreadable:
        raise NeuralError(*unreadable)
    return [one for one in answers if one is not None]


def answer(
    run: LoadedRun, prompts: Sequence[tuple[str, str]]
) -> tuple[list[Answer | None], list[Diagnostic]]:
    """`predict` for prompts with their places, as " in line 3": None where a prompt
    cannot be read, and why not (NE159)."""
    from neural_dsl.runs.prompts import predicted

    task = run.task
    texts, unreadable = predicted(run, prompts)
    answers = [
        None
        if text is None
        else Answer(
            prompt,
            text,
            task.right_answer(prompt),
            task.beyond_training(prompt),
        )
        for (prompt, _), text in zip(prompts, texts, strict=True)
    ]
    return answers, unreadable


def as_prompt(given: Any) -> str:
    """The prompt, which is text. Raises NeuralError NE112."""
    if isinstance(given, str):
        return given
    raise refused(f"a prompt is text, not {given!r}", 'such as "dabc:"')


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
        return open_run(api.as_path(run), weights, trust)
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
    from neural_dsl.runs.prepare import TrainRequest
    from neural_dsl.runs.train import Watcher
    from neural_dsl.runs.train import train as go

    given = list(settings or ())
    if isinstance(settings, Mapping):
        given = [f"{name}={as_written(value)}" for name, value in settings.items()]
    if seed is not None:
        given.append(f"train.seed={seed}")
    request = TrainRequest(
        api.as_path(source),
        None if output_dir is None else Path(output_dir),
        backend,
        network,
        tuple(given),
        resume,
        overwrite,
        force,
        device,
        trust,
    )
    return go(request, watcher or Watcher())


def as_written(value: Any) -> str:
    """A setting as a `.neural` file has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def refuse_options(what: str, *given: Any) -> None:
    """NE112 for options that mean nothing here: dropping them would be a lie."""
    if any(one is not None for one in given):
        raise refused(
            f"{what} has its own weights, backend and network",
            "leave these arguments out",
        )


def nothing_to_open(path: Path) -> NeuralError:
    """NE112: neither a file nor a run, with what it looks like."""
    if path.is_dir() and not (path / "config.json").is_file():
        return refused(
            f"{quoted(path)} is a folder without a run", "`neural train` makes runs"
        )
    hint = (
        "Hugging Face models: load it with transformers and open the module: "
        "nd.open(AutoModel.from_pretrained(…))"
    )
    if path.is_dir():
        return refused(
            f"{quoted(path)} is a Hugging Face model, which cannot be opened", hint
        )
    names = [one.name for one in path.parent.glob("*")]
    close = get_close_matches(path.name, names, n=1)
    meant = f"did you mean {quoted(path.with_name(close[0]))}? " if close else ""
    return refused(f"there is no file or folder {quoted(path)}", meant + hint)


def refused(message: str, help: str) -> NeuralError:
    """NE112."""
    return NeuralError(Diagnostic("NE112", message, help=help))
