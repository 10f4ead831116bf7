"""What a run can be asked: to be looked at while it reads, to answer, to go on writing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from neural_dsl.attention.record import AttentionRecord
from neural_dsl.diagnostics import Diagnostic, NeuralError, refusal
from neural_dsl.runs.decoding import draw, greedy_ids
from neural_dsl.runs.directory import SOURCE
from neural_dsl.runs.loaded import LoadedRun
from neural_dsl.runs.reading import Reading, batch_of
from neural_dsl.targets.base import Given
from neural_dsl.targets.record import record
from neural_dsl.tasks.base import PAD
from neural_dsl.tasks.checked import failures_named, has_answers


@dataclass(frozen=True)
class Shown:
    """A reading, the run that read it, and the attention meanwhile."""

    run: LoadedRun
    reading: Reading
    record: AttentionRecord

    def labelled(self) -> AttentionRecord:
        """The record as pictures label it: rows also say what the model writes there,
        where a layer's queries are the tokens that were read, and its keys too."""
        tokens, writes = self.reading.tokens, self.reading.writes
        pairs = zip(tokens, writes, strict=True)
        rows = tuple(f"{token} → {new}" if new else token for token, new in pairs)
        layers = [
            replace(layer, query_tokens=(rows,))
            if layer.query_tokens == (tokens,) and layer.kind != "cross"
            else layer
            for layer in self.record.layers
        ]
        return replace(self.record, layers=tuple(layers))


def capture(
    run: LoadedRun, reading: Reading, origin: str, layers: Sequence[str] = ()
) -> Shown:
    """Capture the attention while the model reads a sequence."""
    batch = batch_of(run, reading, origin)
    return Shown(run, reading, record(run, batch, run.select(layers, batch)))


def capture_data(run: LoadedRun, path: Path, layers: Sequence[str] = ()) -> Shown:
    """Capture the attention while the model reads the arrays of a file; the pictures show
    the first example. Raises NeuralError as `inputs.prepare` does."""
    batch = run.encode(Given(path))
    reading = Reading(f"first example of {path.name}")
    return Shown(run, reading, record(run, batch, run.select(layers, batch)))


@dataclass(frozen=True)
class Answer:
    """What a run answered, decoded greedily. `right` is the one right answer, None where
    there is none; `remark` says when the prompt is of a kind that the run never trained
    on, "" otherwise."""

    prompt: str
    text: str
    right: str | None
    remark: str


def predicted(
    run: LoadedRun, prompts: Sequence[tuple[str, str]]
) -> tuple[list[Answer | None], list[Diagnostic]]:
    """What the run answers, None for each prompt that its task cannot read, and why not
    (NE159). A prompt comes with its place, as " in line 3". Raises NeuralError NE160
    where the task has no answers."""
    task = run.task
    if not has_answers(task):
        what = f"the task `{type(task).__name__}` has no prompts and answers"
        raise refusal("NE160", what, help=instead(run))
    with failures_named(task):
        refused = [_unreadable(task, prompt, place) for prompt, place in prompts]
        pairs = zip(prompts, refused, strict=True)
        given = [prompt for (prompt, _), why in pairs if why is None]
        written = greedy_ids(run.logits, task, given, run.input_length)
        right, remark = task.right_answer, task.beyond_training
        found = {
            asked: Answer(asked, task.decode(ids), right(asked), remark(asked))
            for asked, ids in zip(given, written, strict=True)
        }
    answers = [found.get(prompt) for prompt, _ in prompts]
    return answers, [each for why in refused if why for each in why.diagnostics]


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
    """The prompt and `max_tokens` tokens that go on from it, drawn with `seed` from what
    the model expects after the last tokens that it can read; padding is never drawn.

    Raises NeuralError: NE160 for a run that is no language model, NE159 for a prompt
    that its tokenizer cannot read.
    """
    task, window, fixed = run.task, run.task.max_length, run.input_length
    tokenizer = getattr(task, "tokenizer", None)
    if tokenizer is None:
        predict = f"`neural predict {shlex.quote(str(run.folder))} --prompt …`"
        help = f"{predict} answers prompts" if has_answers(task) else instead(run)
        name = type(task).__name__
        raise refusal("NE160", f"the task `{name}` is no language model", help=help)
    if why := _unreadable(tokenizer, prompt):
        raise why
    tokens, rng = [*tokenizer.encode(prompt)], np.random.default_rng(seed)
    for _ in range(max_tokens):
        seen = tokens[-window:]
        row = np.full((1, fixed or len(seen)), PAD, dtype=np.int64)
        row[0, : len(seen)] = seen
        scores = run.logits(row)[0, len(seen) - 1].astype(np.float64)
        scores[PAD] = -np.inf
        tokens.append(draw(scores, rng, temperature, top_k))
    return str(tokenizer.decode(tokens))
