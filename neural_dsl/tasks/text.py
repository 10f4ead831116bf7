"""Language models: predict the next token of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neural_dsl.catalogue.spec import LayerProblem, Params, parameter
from neural_dsl.tasks.base import SPLITS, Split
from neural_dsl.tasks.lazy import np
from neural_dsl.tasks.reading import task_text, tokenizer_symbols
from neural_dsl.tasks.sequences import VOCABULARY
from neural_dsl.tasks.spec import GivenTask, TaskSpec

CONTEXT = "context context_length block_size length"
BYTES = 256
"""Tokens that a byte-pair encoding begins with."""


class Characters:
    """The tokenizer that needs nothing: each character of the text is a token."""

    def __init__(self, symbols: Sequence[str]):
        self.symbols = symbols
        self.ids = {symbol: id for id, symbol in enumerate(symbols) if id}

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises ValueError."""
        try:
            return [self.ids[symbol] for symbol in text]
        except KeyError as error:
            what = f"the character {error.args[0]!r} is not in the training text"
            raise ValueError(what) from None

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.symbols[id] for id in ids if id)


class Subwords:
    """A tokenizer of the `tokenizers` library; its id i becomes i + 1, as 0 is padding."""

    def __init__(self, tokenizer: Any):
        self.tokenizer = tokenizer
        names = {id: name for name, id in tokenizer.get_vocab().items()}
        self.symbols = ["PAD"]
        for id in range(max(names) + 1):
            text = tokenizer.decode([id], skip_special_tokens=False)
            self.symbols.append(text or names.get(id, ""))

    def encode(self, text: str) -> list[int]:
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        return [id + 1 for id in ids]

    def decode(self, ids: Sequence[int]) -> str:
        known = [id - 1 for id in ids if id]
        return str(self.tokenizer.decode(known, skip_special_tokens=False))

    def save(self, path: str) -> None:
        """Write the file that makes the same tokenizer again."""
        self.tokenizer.save(path)


class Text(GivenTask):
    """A text: training reads windows of `context` tokens from random places, what is
    held out comes in windows one after another. Raises ValueError for a text too short,
    and ImportError without its tokenizer."""

    def __init__(self, *given: Any):
        super().__init__(*given)
        kind, path = self.params["tokenizer"], self.params["path"]
        self.tokenizer: Characters | Subwords
        if kind == "char":
            self.tokenizer = Characters(self.symbols)
        else:
            self.tokenizer = Subwords(self._learnt())
            self.symbols = self.tokenizer.symbols
        size = len(self.symbols) - 1
        if kind == "bpe" and size <= BYTES:
            raise ValueError('too short a text to learn parts of words: use "char"')
        if kind == "bpe" and size != self.params["vocabulary"]:
            raise ValueError(
                f"the text gives {size:,} tokens, not {self.params['vocabulary']:,}: "
                f"set vocabulary={size}"
            )
        for split in SPLITS:
            count, window = len(self.data.tokens(split)), self.max_length + 1
            if count < window:
                raise ValueError(
                    f"{path} is too short for context={self.max_length}: its {split} "
                    f"part has {count:,} tokens, and one window takes {window:,}"
                )

    def _learnt(self) -> Any:
        try:
            return self.data.tokenizer()
        except (OSError, ValueError, ImportError):
            raise
        except Exception as error:  # the library raises no narrower one
            name = self.params["tokenizer"]
            raise ValueError(f"`{name}` is no tokenizer: {error}") from error

    def size(self, split: Split) -> int:
        """The number of windows that hold each token but the first as a target once."""
        return (len(self.data.tokens(split)) - 1) // self.max_length

    def text_of(self, split: Split) -> str:
        text = task_text(self.params["path"], self.folder)
        return text_parts(text)[SPLITS.index(split)]

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """Both halves of a window."""
        x, y = self.batch(split, np.array([index]))
        tokens, half = [*x[0].tolist(), int(y[0, -1])], (self.max_length + 1) // 2
        return self.decode(tokens[:half]), self.decode(tokens[half:])

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of the beginning of a text. Raises ValueError."""
        ids = self.tokenizer.encode(prompt)
        if not 1 <= len(ids) <= self.max_length:
            most = f"the model reads 1 to {self.max_length:,}"
            raise ValueError(f"the prompt has {len(ids):,} tokens; {most}")
        return np.array(ids)

    def decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids)

    def answer_length(self, prompt: str) -> int:
        """What is left of the context."""
        return self.max_length - len(self.encode(prompt))


def text_parts(text: str) -> tuple[str, str, str]:
    """What a text trains, validates and tests with: the last tenth is held out."""
    first, second = len(text) * 18 // 20, len(text) * 19 // 20
    return text[:first], text[first:second], text[second:]


def _check(params: Params) -> None:
    vocabulary, tokenizer = params["vocabulary"], params["tokenizer"]
    if vocabulary is None or (tokenizer == "bpe" and vocabulary > BYTES):
        return
    message = '`vocabulary` is for `tokenizer="bpe"`; any other has its own'
    label, help = f'the tokenizer is "{tokenizer}"', "leave `vocabulary` out"
    if tokenizer == "bpe":
        which = "one for each byte, and those that it learns"
        message = f"a byte-pair encoding has more than {BYTES} tokens: {which}"
        label, help = "too small", "write for instance `vocabulary=1000`"
    raise LayerProblem("NE074", message, parameter="vocabulary", label=label, help=help)


def _complete(params: Params) -> Params:
    rest = {k: v for k, v in params.items() if k != "vocabulary"}
    if params["tokenizer"] == "bpe":
        rest["vocabulary"] = params.get("vocabulary") or 1000
    return rest


@dataclass(frozen=True, kw_only=True)
class TextSpec(TaskSpec):
    """What is known of a text before a tokenizer has read it."""

    def layout(self, params: Params) -> Literal["text"]:
        return "text"

    def files(self, params: Params) -> tuple[str, ...]:
        """The text, and the tokenizer where that is a file."""
        own = params["tokenizer"] not in ("char", "bpe")
        return ("path", "tokenizer") if own else ("path",)

    def symbols(self, params: Params, folder: Path) -> list[str] | None:
        """PAD and the characters or tokens; None for those that are still to be learnt.
        Raises LayerProblem."""
        text, tokenizer = task_text(params["path"], folder), params["tokenizer"]
        if tokenizer == "bpe":
            return None
        if tokenizer != "char":
            return tokenizer_symbols(tokenizer, folder)
        shortest = min(len(part) for part in text_parts(text))
        if shortest <= params["context"]:
            what = f"is too short for `context={params['context']}`"
            label = f"{len(text):,} characters, of which {shortest:,} are for the test"
            raise LayerProblem(
                "NE075",
                f"the text in `{params['path']}` {what}",
                parameter="path",
                label=label,
                help="use a longer text or a smaller `context`",
            )
        return ["PAD", *sorted(set(text))]

    def vocabulary_size(self, params: Params, folder: Path = Path()) -> int:
        symbols = self.symbols(params, folder)
        return len(symbols) if symbols else int(params["vocabulary"]) + 1

    def max_length(self, params: Params, folder: Path = Path()) -> int:
        return int(params["context"])

    def train_size(self, params: Params, folder: Path = Path()) -> int | None:
        """The windows of characters; how many tokens there are is not known here."""
        if params["tokenizer"] != "char":
            return None
        train = text_parts(task_text(params["path"], folder))[0]
        return (len(train) - 1) // int(params["context"])


TOKENIZER = '"char", "bpe", or the name of a tokenizer.json'
LEARNT = 'how many tokens "bpe" learns; by default 1000'
TEXT = TextSpec(
    "Text",
    "A language model: predict the next token of a text.",
    (
        parameter("path file", "text", doc="a text in UTF-8"),
        parameter("tokenizer", "text", "char", TOKENIZER),
        parameter(CONTEXT, "count", 128, "tokens that the model sees at once"),
        parameter(VOCABULARY, "count", None, LEARNT),
    ),
    check=_check,
    complete=_complete,
    data="text",
    task=Text,
    draws=True,
)
