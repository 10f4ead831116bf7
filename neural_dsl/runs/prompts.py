"""What a run can be asked, and how it refuses the rest; text from a language model."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_dsl.diagnostics import Diagnostic, NeuralError, refusal
from neural_dsl.runs.decoding import greedy_ids, sample
from neural_dsl.runs.directory import SOURCE
from neural_dsl.tasks.checked import failures_named
from neural_dsl.tasks.custom import has_answers
from neural_dsl.tasks.problems import builds_on

if TYPE_CHECKING:
    from neural_dsl.runs.loaded import LoadedRun


def refuse_unreadable(task: Any, prompt: str, place: str = "") -> None:
    """Raise NE159 for a prompt that the task cannot read."""
    foreign = next((one for one in prompt if "\udc80" <= one <= "\udcff"), None)
    if foreign is not None:  # how Python hands on a byte that it cannot decode
        byte, where = ord(foreign) - 0xDC00, prompt.index(foreign) + 1
        raise refusal(
            "NE159",
            f"the prompt{place} is no text in UTF-8: its character {where} is the byte "
            f"0x{byte:02x}",
            help="texts in other encodings: `iconv -f latin1 -t utf-8`",
        )
    try:
        task.encode(prompt)
    except ValueError as error:
        raise _unreadable(prompt, place, error) from error


def _unreadable(prompt: str, place: str, error: ValueError) -> NeuralError:
    return refusal("NE159", f"the prompt {prompt!r}{place} cannot be read: {error}")


def beyond_training(task: Any, prompt: str) -> str:
    """Says when a prompt that the task can read is of a kind that it never trains on: a
    sequence of another length, a number outside the task's; "" otherwise."""
    if builds_on(task, "Arithmetic"):
        numbers = [int(each) for each in re.findall(r"\d+", prompt)]
        outside = [each for each in numbers if not 1 <= each <= task.max_number]
        if not outside:
            return ""
        return (
            f"no problem with {outside[0]} was trained on, only numbers from 1 to "
            f"{task.max_number}"
        )
    if not builds_on(task, "SequenceTask"):
        return ""
    length = int(task.source(prompt).shape[1])
    if task.shortest <= length <= task.longest:
        return ""
    ranged = task.shortest < task.longest
    known = f"{task.shortest} to {task.longest}" if ranged else f"{task.longest}"
    return f"no sequence of length {length} was trained on, only of length {known}"


def refuse_without_answers(run: LoadedRun) -> None:
    """Raise NE160 where prompts have no one right answer."""
    if not has_answers(run.task):
        name = type(run.task).__name__
        what = f"the task `{name}` has no prompts and answers"
        raise refusal("NE160", what, help=instead(run))


def predicted(
    run: LoadedRun, prompts: Sequence[tuple[str, str]]
) -> tuple[list[str | None], list[Diagnostic]]:
    """What the run answers, None for each prompt that its task cannot read, and why not
    (NE159). A prompt comes with its place, as " in line 3". Raises NeuralError NE160
    where the task has no answers."""
    refuse_without_answers(run)
    readable: dict[int, str] = {}
    refused: list[Diagnostic] = []
    with failures_named(run.task):
        for number, (prompt, place) in enumerate(prompts):
            try:
                refuse_unreadable(run.task, prompt, place)
                readable[number] = prompt
            except NeuralError as error:
                if error.diagnostics[0].code != "NE159":
                    raise
                refused += error.diagnostics
        given = list(readable.values())
        written = greedy_ids(run.logits, run.task, given, run.input_length)
        found = dict(zip(readable, map(run.task.decode, written), strict=True))
    return [found.get(number) for number in range(len(prompts))], refused


def instead(run: LoadedRun) -> str:
    """What a run without prompts and answers can be asked for."""
    folder = shlex.quote(str(run.folder))
    if getattr(run.task, "tokenizer", None) is not None:
        return f"`neural generate {folder} --prompt …` goes on with a text"
    source = Path(run.network.source.name)
    if not source.is_file():  # the run keeps everything that its own copy names
        source = run.folder / SOURCE
    weights = run.folder / f"{run.weights}.safetensors"
    return (
        f"`neural evaluate {folder}` tests it; `neural run {shlex.quote(str(source))} "
        f"--data x.npy --weights {shlex.quote(str(weights))}` computes the model's "
        "output for arrays"
    )


def generate_text(
    run: LoadedRun,
    prompt: str,
    max_tokens: int = 100,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> str:
    """The prompt and `max_tokens` tokens that go on from it, drawn with `seed`.

    Raises NeuralError: NE160 for a run that is no language model, NE159 for a prompt
    that its tokenizer cannot read.
    """
    task, window = run.task, run.task.max_length
    tokenizer = getattr(task, "tokenizer", None)
    if tokenizer is None:
        predict = f"`neural predict {shlex.quote(str(run.folder))} --prompt …`"
        help = f"{predict} answers prompts" if has_answers(task) else instead(run)
        name = type(task).__name__
        raise refusal("NE160", f"the task `{name}` is no language model", help=help)
    try:
        ids = tokenizer.encode(prompt)
        if not ids:
            raise ValueError("it is empty")
    except ValueError as error:
        raise _unreadable(prompt, "", error) from error
    rng, fixed = np.random.default_rng(seed), run.input_length
    more = sample(run.logits, ids, max_tokens, window, rng, temperature, top_k, fixed)
    text: str = tokenizer.decode([*ids, *more])
    return text
