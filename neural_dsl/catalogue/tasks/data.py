"""Tasks whose examples come from the user's files."""

from __future__ import annotations

from pathlib import Path

from neural_dsl.catalogue.spec import LayerProblem, Parameter, Params
from neural_dsl.catalogue.tasks.custom import custom_file
from neural_dsl.catalogue.tasks.files import array_lengths, task_text, tokenizer_symbols
from neural_dsl.catalogue.tasks.sequences import VOCABULARY
from neural_dsl.catalogue.tasks.spec import TaskSpec

TOKENIZERS = ("char", "bpe")  # any other is a file
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


def _text_files(params: Params) -> tuple[str, ...]:
    return ("path",) if params["tokenizer"] in TOKENIZERS else ("path", "tokenizer")


def _text_symbols(params: Params, folder: Path) -> list[str] | None:
    """PAD and the characters or tokens. Raises LayerProblem for unusable files."""
    text, tokenizer = task_text(params["path"], folder), params["tokenizer"]
    if tokenizer == "bpe":
        return None
    if tokenizer != "char":
        return tokenizer_symbols(tokenizer, folder)
    shortest = min(len(part) for part in text_parts(text))
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


def text_parts(text: str) -> tuple[str, str, str]:
    """What a text trains, validates and tests with."""
    first, second = len(text) * 18 // 20, len(text) * 19 // 20
    return text[:first], text[first:second], text[second:]


def _text_windows(params: Params, folder: Path) -> int | None:
    if params["tokenizer"] != "char":
        return None
    train = text_parts(task_text(params["path"], folder))[0]
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
    data="text",
    complete=_complete_text,
    files=_text_files,
    symbols=_text_symbols,
    id_count=lambda params, folder: params["vocabulary"] + 1,
    longest=lambda params, folder: int(params["context"]),
    examples=_text_windows,
    measure="loss",
    layout=lambda params: "text",
)


def _check_arrays_file(params: Params, folder: Path) -> None:
    """Arrays say nothing of symbols, but their file must be there and be one."""
    lengths = array_lengths(params["path"], folder)
    if "y" not in lengths:
        held = ", ".join(f"`{name}`" for name in lengths) or "nothing"
        raise LayerProblem(
            "NE075",
            f"the file `{params['path']}` has no array `y`",
            parameter="path",
            label=f"it holds {held}",
            help="write it with `numpy.savez(path, x=…, y=…)`: `y` are the targets",
        )


def _arrays_size(params: Params, folder: Path) -> int:
    """The examples to train on: all but a tenth for each split that the file lacks.
    (Where inputs repeat themselves, a little more or less: equal ones stay together.)"""
    lengths = array_lengths(params["path"], folder)
    missing = sum(f"y_{split}" not in lengths for split in ("validation", "test"))
    return max(1, lengths["y"] - missing * max(1, lengths["y"] // 10))


ARRAYS = TaskSpec(
    "Arrays",
    "Your own examples: the arrays x and y of a .npz file, or one named like each input.",
    (
        Parameter("path", "text", doc="a .npz file with x and y", aliases=("file",)),
        Parameter("data_seed", "natural", 0, "which examples are held out"),
    ),
    data="arrays",
    files=lambda params: ("path",),
    symbols=_check_arrays_file,
    examples=_arrays_size,
    is_causal=lambda params: False,
    measure="loss",
    also=("accuracy",),
    layout=lambda params: "free",
)


def _check_custom(params: Params, folder: Path) -> None:
    """What the symbols are is known to who runs the code; that it is a task is seen."""
    custom_file(params, folder)


CUSTOM = TaskSpec(
    "Custom",
    "Your own task: a Python file with a class such as those of `neural_dsl/tasks`. It "
    "is code, and runs only with `--trust`.",
    (Parameter("path", "text", doc="a Python file", aliases=("file",)),),
    data="custom",
    files=lambda params: ("path",),
    symbols=_check_custom,
    examples=lambda params, folder: None,
    is_causal=lambda params: False,
    measure="loss",
    also=("accuracy",),
    layout=lambda params: "free",
)


FROM_FILES = (TEXT, ARRAYS, CUSTOM)
