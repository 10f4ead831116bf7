"""What a trained model reads and writes for a prompt, and its attention meanwhile."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neural_dsl.attention.expected import expected_cells
from neural_dsl.attention.record import AttentionRecord, LayerAttention
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.files import quoted
from neural_dsl.runs.decoding import greedy_ids
from neural_dsl.targets.base import Batch
from neural_dsl.targets.record import record
from neural_dsl.tasks.base import PAD

if TYPE_CHECKING:
    from neural_dsl.runs.loaded import LoadedRun

LONGEST_CONTINUATION = 24  # tokens of a text that a prompt goes on with
LONGEST_WINDOW = 48  # tokens of a held-out text that are shown without a prompt


@dataclass(frozen=True)
class Reading:
    """One sequence as the model reads it.

    - `prompt`: as the user wrote it; `answer`: what the model wrote, None where nothing
      was asked; `right`: the right answer, None where there is no one right answer.
    - `ids`: everything that the model reads (T,): the prompt and, if it is causal, its
      own answer but for the last token, which it writes and does not read.
    - `tokens`: their symbols; `writes`: what the model writes at each place, "" where
      nothing of the answer is written.
    - `remark`: what one must know to judge the answer, "" for nothing.
    - `known`: where a model that solves this must look, as the task tells it.

    Of an example that is no sequence of symbols, `ids`, `tokens` and `writes` are empty.
    """

    prompt: str
    answer: str | None = None
    right: str | None = None
    ids: tuple[int, ...] = ()
    tokens: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    known: list[tuple[int, tuple[int, ...]]] | None = None
    remark: str = ""

    @property
    def verdict(self) -> str:
        """`right`, `wrong: 132 is right`, or nothing where nobody can tell."""
        if self.right is None or self.answer is None:
            return ""
        return "right" if self.answer == self.right else f"wrong: {self.right} is right"

    def line(self) -> str:
        """`47+85= → 132, right`."""
        shown = one_line(self.prompt)
        if self.answer is None:
            return shown
        verdict = f", {self.verdict}" if self.verdict else ""
        return f"{shown} → {one_line(self.answer) or 'nothing'}{verdict}"


def one_line(text: str) -> str:
    """A prompt as a title shows it."""
    return text.replace("\n", "↵").replace("\t", "⇥")


@dataclass(frozen=True)
class Shown:
    """A reading, the run that read it, and the attention meanwhile."""

    run: LoadedRun
    reading: Reading
    record: AttentionRecord

    def labelled(self) -> AttentionRecord:
        """The record as pictures label it: rows also say what the model writes there."""
        pairs = zip(self.reading.tokens, self.reading.writes, strict=True)
        rows = tuple(f"{token} → {new}" if new else token for token, new in pairs)
        layers = tuple(
            replace(layer, query_tokens=(rows,))
            if reads(layer, self.reading)
            else layer
            for layer in self.record.layers
        )
        return replace(self.record, layers=layers)


def reads(layer: LayerAttention, reading: Reading) -> bool:
    """Whether a layer's queries are the tokens of the reading, and its keys too."""
    return layer.query_tokens == (reading.tokens,) and layer.kind != "cross"


def read_prompt(run: LoadedRun, prompt: str) -> Reading:
    """Let the model answer a prompt. Raises NeuralError NE171 for one that it cannot
    read, NE172 for a task that has no prompts."""
    task = run.task
    try:
        encoded = [int(one) for one in task.encode(prompt)]
        task.answer_length(prompt)
        right = task.right_answer(prompt)
    except ValueError as error:
        raise unreadable(run, prompt, str(error)) from error
    except NotImplementedError as error:
        raise without_prompts(run) from error
    # Of a longer continuation the picture could not be read.
    most = LONGEST_CONTINUATION if task.measure == "loss" else None
    (answer,) = greedy_ids(run.logits, task, [prompt], run.input_length, most)
    known = task.attention_for(prompt)
    symbols = task.symbols
    if task.causal:
        ids = [*encoded, *answer[:-1]]
        writes = [""] * (len(encoded) - 1) + [symbols[id] for id in answer]
    else:
        ids = encoded
        writes = [symbols[id] for id in answer] + [""] * (len(ids) - len(answer))
    return Reading(
        prompt,
        task.decode(answer),
        right,
        tuple(ids),
        tuple(symbols[id] for id in ids),
        tuple(writes[: len(ids)] or [""] * len(ids)),
        known,
        task.beyond_training(prompt),
    )


def read_text(run: LoadedRun, text: str) -> Reading:
    """Let the model read a text as it is and write nothing. Raises NeuralError: NE171 for
    a text that it cannot read, NE173 for a task whose prompts are no texts."""
    if run.task.measure != "loss" or not hasattr(run.task, "tokenizer"):
        name, prompt = type(run.task).__name__, example(run)
        raise refusal(
            "NE173",
            f"the run in {quoted(run.folder)} has learnt {name}, not a text",
            help=f"use{prompt}"
            if prompt
            else "without `--text` its first test example is drawn",
        )
    try:
        ids = [int(one) for one in run.task.encode(text)]
    except ValueError as error:
        raise unreadable(run, text, str(error)) from error
    return _read(run, text, ids)


def _read(run: LoadedRun, text: str, ids: list[int]) -> Reading:
    """A text as it is read, nothing being written."""
    tokens = tuple(run.task.symbols[id] for id in ids)
    return Reading(text, ids=tuple(ids), tokens=tokens, writes=("",) * len(ids))


def read_held_out(run: LoadedRun) -> Reading:
    """The first problem of the test split, which no training saw; of a text, its
    beginning; of arrays, the first example."""
    try:
        prompt, _ = run.task.problem("test", 0)
    except NotImplementedError:
        return Reading("first test example")
    if run.task.measure == "loss":
        ids = run.task.batch("test", np.array([0]))[0][0][:LONGEST_WINDOW].tolist()
        return _read(run, run.task.decode(ids), ids)
    return read_prompt(run, prompt)


def batch_of(run: LoadedRun, reading: Reading, origin: str) -> Batch:
    """What the model reads, `origin` being its own; an example without ids says itself
    what it is."""
    if not reading.ids:
        return replace(run.example(), origin=reading.prompt)
    batch = run.sequence(reading.ids, reading.tokens)
    expected = None
    if reading.known is not None:
        length = len(reading.ids)
        expected = expected_cells(reading.known, length, length)[None]
    return replace(batch, origin=origin, expected=expected)


def capture(
    run: LoadedRun, reading: Reading, origin: str, layers: Sequence[str] = ()
) -> Shown:
    """Capture the attention while the model reads a sequence."""
    batch = batch_of(run, reading, origin)
    return Shown(run, reading, record(run, batch, run.select(layers, batch)))


def capture_data(run: LoadedRun, path: Path, layers: Sequence[str] = ()) -> Shown:
    """Capture the attention while the model reads the arrays of a file; the pictures show
    the first example. Raises NeuralError as `inputs.prepare` does."""
    batch = run.encode(path)
    reading = Reading(f"first example of {path.name}")
    return Shown(run, reading, record(run, batch, run.select(layers, batch)))


def unreadable(run: LoadedRun, prompt: str, why: str) -> NeuralError:
    """NE171: a prompt with a symbol that the task lacks, too long, or of a wrong form."""
    from neural_dsl.resolve.tasks import LISTED_SYMBOLS, list_symbols

    symbols = run.task.symbols
    allowed = ""
    if PAD == 0 and 1 < len(symbols) <= LISTED_SYMBOLS:
        listed = list_symbols(symbols).removeprefix("padding, ")
        allowed = f"its symbols are {listed}"
    what = quoted(shortened(prompt)) if prompt.strip() else "an empty prompt"
    hints = [allowed, f"try{example(run)}" if example(run) else ""]
    return refusal(
        "NE171",
        f"the run in {quoted(run.folder)} cannot read {what}: {why}",
        help="; ".join(filter(None, hints)),
    )


def shortened(text: str, longest: int = 60) -> str:
    """A text of unknown length on one line, for a message or a title."""
    text = one_line(text)
    return text if len(text) <= longest else f"{text[:longest]}…"


def example(run: LoadedRun) -> str:
    """ " `--prompt "47+85="`", or nothing: a prompt that the task reads."""
    try:
        prompt = run.task.problem("test", 0)[0]
    except (NotImplementedError, IndexError):
        return ""
    short = len(prompt) <= 60 and prompt.isprintable() and '"' not in prompt
    return f' `--prompt "{prompt}"`' if short else ""


def without_prompts(run: LoadedRun) -> NeuralError:
    """NE172: a task whose examples have no text form."""
    return refusal(
        "NE172",
        f"the task {type(run.task).__name__} of the run in {quoted(run.folder)} has "
        "no prompts",
        help="without `--prompt` its first test example is drawn; for others: `neural "
        f"visualize {shlex.quote(str(run.folder))} --attention --data X.npy`",
    )
