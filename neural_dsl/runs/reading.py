"""What a model with a task reads: a prompt that it answers, a text, held-out problems."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.expected import expected_cells
from neural_dsl.attention.record import check_batch_item
from neural_dsl.backends.live import Runtime
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.files import quoted
from neural_dsl.resolve.tasks import LISTED_SYMBOLS, list_symbols
from neural_dsl.runs.decoding import greedy_ids
from neural_dsl.targets.base import Batch, Given, refused
from neural_dsl.targets.network import NetworkTarget

LONGEST_CONTINUATION = 24  # tokens of a text that a prompt goes on with
LONGEST_WINDOW = 48  # tokens of a held-out text that are shown without a prompt


@dataclass(frozen=True)
class Reading:
    """One sequence as the model reads it.

    - `prompt`: as the user wrote it; `answer`: what the model wrote, None where nothing
      was asked; `right`: the right answer, None where there is no one right answer.
    - `ids`: everything that the model reads (T,): the prompt and, if it is causal, its
      own answer but for the last token, which it writes and does not read. `tokens`:
      their symbols; `writes`: what it writes of its answer at each place, "" for nothing.
      All three are empty for an example that is no sequence of symbols.
    - `known`: where a model that solves this must look, as the task tells it.
    - `remark`: what one must know to judge the answer, "" for nothing.
    """

    prompt: str
    answer: str | None = None
    right: str | None = None
    ids: tuple[int, ...] = ()
    tokens: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    known: list[tuple[int, tuple[int, ...]]] | None = None
    remark: str = ""

    def line(self) -> str:
        """`47+85= → 132, right`, or `…, wrong: 132 is right`; the prompt alone where
        nothing was asked, no verdict where nobody can tell."""
        shown = one_line(self.prompt)
        if self.answer is None:
            return shown
        verdict = ""
        if self.right is not None:
            is_right = self.answer == self.right
            verdict = ", right" if is_right else f", wrong: {self.right} is right"
        return f"{shown} → {one_line(self.answer) or 'nothing'}{verdict}"


def one_line(text: str) -> str:
    """A prompt as a title shows it."""
    return text.replace("\n", "↵").replace("\t", "⇥")


def shortened(text: str, longest: int = 60) -> str:
    """A text of unknown length on one line, for a message or a title."""
    text = one_line(text)
    return text if len(text) <= longest else f"{text[:longest]}…"


class TaskTarget(NetworkTarget):
    """A model that knows its `task`: the package's own, whose examples are the emitted
    file's. `folder` is where it was trained."""

    def __init__(self, runtime: Runtime, folder: Path, task: Any):
        super().__init__(runtime)
        self.folder, self.task = folder, task

    @property
    def input_length(self) -> int | None:
        """The one length that the model reads, None where any length will do."""
        return self.network.inputs[0].tensor.shape[0]

    def logits(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Logits (B, T, V) for ids (B, T)."""
        return self.runtime.run({self.network.inputs[0].name: ids})

    def encode(self, given: Given) -> Batch:
        """A prompt, which the run answers; or whatever a network reads; without both the
        first problem of the test split. Labelled with the task's symbols."""
        prompt = given.prompt
        if given.data is not None:
            if prompt is not None:
                raise refused("a run reads a prompt, or data", "leave one of them out")
            return super().encode(given)
        if given.tokens is not None:
            raise refused(
                "the tokens of a run are its task's symbols, which labels would hide",
                "give the text as `prompt`, or arrays as `data`",
            )
        check_batch_item(given.item, 1)
        if prompt is None:
            reading, origin = read_held_out(self), "first held-out problem"
        else:
            reading = read_prompt(self, as_prompt(prompt))
            origin = f'prompt "{shortened(prompt)}"'
        return batch_of(self, reading, origin)

    def sequence(self, ids: Sequence[int]) -> Batch:
        """One sequence of token ids, each labelled with its symbol. A model that takes any
        length runs as it is; one of a fixed length is built anew."""
        name = self.network.inputs[0].name
        arrays = {name: np.array([ids], dtype=np.int64)}
        tokens = {name: (tuple(self.task.symbols[id] for id in ids),)}
        if self.input_length is None:
            return Batch(arrays, tokens, network=self.network)
        return replace(super().encode(Given(arrays)), tokens=tokens)

    def example(self) -> Batch:
        """The first example of the test split, as the task gives it."""
        x = self.task.batch("test", np.arange(1))[0]
        parts = x if isinstance(x, tuple) else (x,)
        origin = "first test example"
        if len(parts) == 1 and parts[0].dtype.kind in "iu" and self.task.symbols:
            return replace(self.sequence(parts[0][0].tolist()), origin=origin)
        names = [item.name for item in self.network.inputs]
        return Batch(dict(zip(names, parts, strict=True)), origin=origin)


def as_prompt(given: Any) -> str:
    """The prompt, which is text. Raises NeuralError NE112."""
    if isinstance(given, str):
        return given
    raise refused(f"a prompt is text, not {given!r}", 'such as "dabc:"')


def read_prompt(run: TaskTarget, prompt: str) -> Reading:
    """Let the model answer a prompt. Raises NeuralError NE171 for one that it cannot
    read, NE172 for a task that has no prompts."""
    task, folder = run.task, run.folder
    try:
        ids = [int(one) for one in task.encode(prompt)]
        task.answer_length(prompt)
        right = task.right_answer(prompt)
    except ValueError as error:
        raise unreadable(run, prompt, str(error)) from error
    except NotImplementedError as error:
        raise refusal(
            "NE172",
            f"the task {type(task).__name__} of the run in {quoted(folder)} has no prompts",
            help="without `--prompt` its first test example is drawn; for others: `neural "
            f"visualize {shlex.quote(str(folder))} --attention --data X.npy`",
        ) from error
    # Of a longer continuation the picture could not be read.
    most = LONGEST_CONTINUATION if task.measure == "loss" else None
    (answer,) = greedy_ids(run.logits, task, [prompt], run.input_length, most)
    known, first = task.attention_for(prompt), 0
    if task.causal:  # what it writes last, it does not read
        first, ids = len(ids) - 1, [*ids, *answer[:-1]]
    return replace(
        _read(run, prompt, ids, {first + k: id for k, id in enumerate(answer)}),
        answer=task.decode(answer),
        right=right,
        known=known,
        remark=task.beyond_training(prompt),
    )


def read_text(run: TaskTarget, text: str) -> Reading:
    """Let the model read a text as it is and write nothing. Raises NeuralError: NE171 for
    a text that it cannot read, NE173 for a task whose prompts are no texts."""
    if run.task.measure != "loss" or not hasattr(run.task, "tokenizer"):
        name, prompt = type(run.task).__name__, example(run)
        what = f"the run in {quoted(run.folder)} has learnt {name}, not a text"
        other = "without `--text` its first test example is drawn"
        raise refusal("NE173", what, help=f"use{prompt}" if prompt else other)
    try:
        return _read(run, text, [int(one) for one in run.task.encode(text)])
    except ValueError as error:
        raise unreadable(run, text, str(error)) from error


def _read(
    run: TaskTarget, text: str, ids: list[int], written: Mapping[int, int] = {}
) -> Reading:
    """A text as it is read; `written` are the ids of an answer, by their places."""
    symbols = run.task.symbols
    tokens = tuple(symbols[id] for id in ids)
    places = range(len(ids))
    writes = tuple(symbols[written[k]] if k in written else "" for k in places)
    return Reading(text, ids=tuple(ids), tokens=tokens, writes=writes)


def read_held_out(run: TaskTarget) -> Reading:
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


def batch_of(run: TaskTarget, reading: Reading, origin: str) -> Batch:
    """What the model reads, `origin` being its own; an example without ids says itself
    what it is."""
    if not reading.ids:
        return replace(run.example(), origin=reading.prompt)
    batch = replace(run.sequence(reading.ids), origin=origin)
    if reading.known is None:
        return batch
    length = len(reading.ids)
    expected = expected_cells(reading.known, length, length)
    return replace(batch, expected=expected[None])


def unreadable(run: TaskTarget, prompt: str, why: str) -> NeuralError:
    """NE171: a prompt with a symbol that the task lacks, too long, or of a wrong form."""
    hints, symbols = [], run.task.symbols
    if 1 < len(symbols) <= LISTED_SYMBOLS:
        listed = list_symbols(symbols).removeprefix("padding, ")
        hints.append(f"its symbols are {listed}")
    if prompted := example(run):
        hints.append(f"try{prompted}")
    what = quoted(shortened(prompt)) if prompt.strip() else "an empty prompt"
    what = f"the run in {quoted(run.folder)} cannot read {what}: {why}"
    return refusal("NE171", what, help="; ".join(hints))


def example(run: TaskTarget) -> str:
    """ " `--prompt "47+85="`", or nothing: a prompt that the task reads."""
    try:
        prompt = run.task.problem("test", 0)[0]
    except (NotImplementedError, IndexError):
        return ""
    short = len(prompt) <= 60 and prompt.isprintable() and '"' not in prompt
    return f' `--prompt "{prompt}"`' if short else ""
