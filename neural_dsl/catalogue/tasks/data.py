"""Tasks whose examples come from the user's files."""

from __future__ import annotations

from pathlib import Path

from neural_dsl.catalogue.spec import LayerProblem, Parameter, Params
from neural_dsl.catalogue.tasks.files import task_file, task_text, tokenizer_symbols
from neural_dsl.catalogue.tasks.sequences import VOCABULARY
from neural_dsl.catalogue.tasks.spec import TaskSpec

BYTES = 256
"""Tokens that a byte-pair encoding begins with."""


def _check_text(params: Params) -> None:
    vocabulary, tokenizer = params["vocabulary"], params["tokenizer"]
    if vocabulary is None:
        return
    if tokenizer != "bpe":
        raise LayerProblem(
            "NE074",
            '`vocabulary` is for `tokenizer="bpe"`; any other has its own',
            parameter="vocabulary",
            label=f'the tokenizer is "{tokenizer}"',
            help="leave `vocabulary` out",
        )
    if vocabulary <= BYTES:
        raise LayerProblem(
            "NE074",
            f"a byte-pair encoding has more than {BYTES} tokens: one for each byte, and "
            "those that it learns",
            parameter="vocabulary",
            label="too small",
            help="write for instance `vocabulary=1000`",
        )


def _complete_text(params: Params) -> Params:
    rest = {k: v for k, v in params.items() if k != "vocabulary"}
    if params["tokenizer"] == "bpe":
        rest["vocabulary"] = params.get("vocabulary") or 1000
    return rest


def _text_symbols(params: Params, folder: Path) -> list[str] | None:
    """PAD and the characters or tokens. Raises LayerProblem for unusable files."""
    text, tokenizer = task_text(params["path"], folder), params["tokenizer"]
    if tokenizer == "bpe":
        return None
    if tokenizer != "char":
        return tokenizer_symbols(tokenizer, folder)
    shortest = min(len(part) for part in _text_parts(text))
    if shortest <= params["context"]:
        raise LayerProblem(
            "NE075",
            f"the text in `{params['path']}` is too short for `context="
            f"{params['context']}`",
            parameter="path",
            label=f"{len(text):,} characters, of which {shortest:,} are for the test",
            help="use a longer text or a smaller `context`",
        )
    return ["PAD", *sorted(set(text))]


def _text_parts(text: str) -> tuple[str, str, str]:
    """What a text trains, validates and tests with."""
    first, second = len(text) * 18 // 20, len(text) * 19 // 20
    return text[:first], text[first:second], text[second:]


def _text_windows(params: Params, folder: Path) -> int | None:
    if params["tokenizer"] != "char":
        return None
    train = _text_parts(task_text(params["path"], folder))[0]
    return (len(train) - 1) // int(params["context"])


TEXT = TaskSpec(
    "Text",
    "A language model: predict the next token of a text.",
    (
        Parameter("path", "text", doc="a text in UTF-8", aliases=("file",)),
        Parameter(
            "tokenizer",
            "text",
            "char",
            '"char", "bpe", or the name of a tokenizer.json',
        ),
        Parameter(
            "context",
            "count",
            128,
            "tokens that the model sees at once",
            aliases=("context_length", "block_size", "length"),
        ),
        Parameter(
            "vocabulary",
            "count",
            None,
            'how many tokens "bpe" learns; by default 1000',
            aliases=VOCABULARY.aliases,
        ),
    ),
    check=_check_text,
    modules=("base", "text"),
    complete=_complete_text,
    symbols=_text_symbols,
    id_count=lambda params, folder: params["vocabulary"] + 1,
    longest=lambda params, folder: int(params["context"]),
    examples=_text_windows,
    measure="loss",
    layout=lambda params: "text",
)


def _check_arrays_file(params: Params, folder: Path) -> None:
    """Arrays say nothing of symbols, but their file must be there and be one."""
    content = task_file(params["path"], folder)
    if not content.startswith(b"PK"):
        raise LayerProblem(
            "NE075",
            f"the file `{params['path']}` is no .npz file",
            parameter="path",
            label="not written by NumPy",
            help="write it with `numpy.savez(path, x=…, y=…)`",
        )


ARRAYS = TaskSpec(
    "Arrays",
    "Your own examples: the arrays x and y of a .npz file, or one named like each input.",
    (
        Parameter("path", "text", doc="a .npz file with x and y", aliases=("file",)),
        Parameter("data_seed", "int", 0, "which examples are held out"),
    ),
    modules=("base", "arrays"),
    symbols=_check_arrays_file,
    examples=lambda params, folder: None,
    is_causal=lambda params: False,
    measure="loss",
    also=("accuracy",),
    layout=lambda params: "free",
)

CUSTOM = TaskSpec(
    "Custom",
    "Your own task: a Python file with a class such as those of `neural_dsl/tasks`. It "
    "is code, and runs only with `--trust`.",
    (Parameter("path", "text", doc="a Python file", aliases=("file",)),),
    modules=("base",),
    symbols=lambda params, folder: _no_symbols(task_text(params["path"], folder)),
    examples=lambda params, folder: None,
    is_causal=lambda params: False,
    measure="loss",
    also=("accuracy",),
    layout=lambda params: "free",
)


def _no_symbols(text: str) -> None:
    """What a file's code means is known to who runs it."""


FROM_FILES = (TEXT, ARRAYS, CUSTOM)
