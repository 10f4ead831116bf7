"""What a run can be asked, and what it reads and writes then; how it refuses the rest."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_dsl.attention.expected import expected_cells
from neural_dsl.attention.record import AttentionRecord
from neural_dsl.diagnostics import Diagnostic, NeuralError, refusal
from neural_dsl.files import quoted
from neural_dsl.runs.decoding import draw, greedy_ids
from neural_dsl.runs.directory import SOURCE
from neural_dsl.targets.base import Batch, Given
from neural_dsl.targets.record import record
from neural_dsl.tasks.base import PAD
from neural_dsl.tasks.checked import failures_named, has_answers

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


def read_prompt(run: LoadedRun, prompt: str) -> Reading:
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


def read_text(run: LoadedRun, text: str) -> Reading:
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
    run: LoadedRun, text: str, ids: list[int], written: Mapping[int, int] = {}
) -> Reading:
    """A text as it is read; `written` are the ids of an answer, by their places."""
    symbols = run.task.symbols
    tokens = tuple(symbols[id] for id in ids)
    places = range(len(ids))
    writes = tuple(symbols[written[k]] if k in written else "" for k in places)
    return Reading(text, ids=tuple(ids), tokens=tokens, writes=writes)


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
    batch = replace(run.sequence(reading.ids), origin=origin)
    if reading.known is None:
        return batch
    length = len(reading.ids)
    expected = expected_cells(reading.known, length, length)
    return replace(batch, expected=expected[None])


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


def unreadable(run: LoadedRun, prompt: str, why: str) -> NeuralError:
    """NE171: a prompt with a symbol that the task lacks, too long, or of a wrong form."""
    from neural_dsl.resolve.tasks import LISTED_SYMBOLS, list_symbols

    hints, symbols = [], run.task.symbols
    if 1 < len(symbols) <= LISTED_SYMBOLS:
        listed = list_symbols(symbols).removeprefix("padding, ")
        hints.append(f"its symbols are {listed}")
    if prompted := example(run):
        hints.append(f"try{prompted}")
    what = quoted(shortened(prompt)) if prompt.strip() else "an empty prompt"
    what = f"the run in {quoted(run.folder)} cannot read {what}: {why}"
    return refusal("NE171", what, help="; ".join(hints))


def example(run: LoadedRun) -> str:
    """ " `--prompt "47+85="`", or nothing: a prompt that the task reads."""
    try:
        prompt = run.task.problem("test", 0)[0]
    except (NotImplementedError, IndexError):
        return ""
    short = len(prompt) <= 60 and prompt.isprintable() and '"' not in prompt
    return f' `--prompt "{prompt}"`' if short else ""


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
