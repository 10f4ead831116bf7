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
from neural_dsl.tasks.checked import failures_named, has_answers

if TYPE_CHECKING:
    from neural_dsl.runs.loaded import LoadedRun


def predicted(
    run: LoadedRun, prompts: Sequence[tuple[str, str]]
) -> tuple[list[str | None], list[Diagnostic]]:
    """What the run answers, None for each prompt that its task cannot read, and why not
    (NE159). A prompt comes with its place, as " in line 3". Raises NeuralError NE160
    where the task has no answers."""
    task, refused = run.task, list[Diagnostic]()
    if not has_answers(task):
        what = f"the task `{type(task).__name__}` has no prompts and answers"
        raise refusal("NE160", what, help=instead(run))
    with failures_named(task):
        readable: dict[int, str] = {}
        for number, (prompt, place) in enumerate(prompts):
            why = _unreadable(task, prompt, place)
            if why is None:
                readable[number] = prompt
            else:
                refused += why.diagnostics
        given = list(readable.values())
        written = greedy_ids(run.logits, task, given, run.input_length)
        found = dict(zip(readable, map(task.decode, written), strict=True))
    return [found.get(number) for number in range(len(prompts))], refused


def _unreadable(reader: Any, prompt: str, place: str = "") -> NeuralError | None:
    """NE159 for a prompt that a task, or a tokenizer, cannot read."""
    foreign = re.search("[\udc80-\udcff]", prompt)
    if foreign:  # how Python hands on a byte that it cannot decode
        byte, where = ord(foreign[0]) - 0xDC00, foreign.start() + 1
        return refusal(
            "NE159",
            f"the prompt{place} is no text in UTF-8: its character {where} is the byte "
            f"0x{byte:02x}",
            help="texts in other encodings: `iconv -f latin1 -t utf-8`",
        )
    try:
        if not len(reader.encode(prompt)):
            raise ValueError("it is empty")
    except ValueError as error:
        what = f"the prompt {prompt!r}{place} cannot be read: {error}"
        return refusal("NE159", what)
    return None


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
    if why := _unreadable(tokenizer, prompt):
        raise why
    ids = tokenizer.encode(prompt)
    rng, fixed = np.random.default_rng(seed), run.input_length
    more = sample(run.logits, ids, max_tokens, window, rng, temperature, top_k, fixed)
    text: str = tokenizer.decode([*ids, *more])
    return text
