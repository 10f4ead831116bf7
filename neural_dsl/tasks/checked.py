"""A user's own task at work: whether it is whole, and what it returns each time.

Training, evaluation and pictures trust a task; a user's may return anything, and what
comes of it would show far from its cause. So each method is watched where it is called.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.tasks.custom import MEMBERS, TASKS, homes

Says = Callable[..., str]
"""What is wrong with a value returned for some arguments; "" for nothing."""


@contextmanager
def foreign_code(path: Path) -> Iterator[None]:
    """ValueError for what a user's code raises, a `sys.exit` in it too."""
    try:
        yield
    except SystemExit as error:
        raise ValueError(f"{path} fails: RuntimeError: {_ending(error)}") from error
    except Exception as error:
        raise ValueError(f"{path} fails: {type(error).__name__}: {error}") from error


def _ending(error: SystemExit) -> str:
    return f"it ends the program by sys.exit({error.code})"


def give_back(module: Any, builds_on: Iterable[str]) -> None:
    """Give our classes in an emitted `module` the methods that its script does without."""
    known = homes()
    for name in builds_on:
        found = getattr(import_module(TASKS + known[name]), name)
        for ours in getattr(found, "__mro__", (object,))[:-1]:
            emitted = getattr(module, ours.__name__)
            for member in vars(ours).keys() - vars(emitted).keys():
                setattr(emitted, member, vars(ours)[member])


def refuse_unfinished(task: Any, base: type, path: Path, longest: int | None) -> None:
    """Raise ValueError for a task that lacks a part that training needs, or has one of
    another kind. `base` is the class `Task`, in an emitted file its own copy; `longest`
    is what the model reads at most, None where that is open."""
    name, whole = type(task).__name__, (*MEMBERS, "symbols", "max_length", "causal")
    where, builds_on_it = f"{name} in {path}", bool(isinstance(task, base))
    if not builds_on_it:
        raise ValueError(f"{where} must build on Task: write `class {name}(Task):`")
    missing = [m for m in whole if not hasattr(task, m) or is_stub(task, m)]
    if missing:
        raise ValueError(f"{where} lacks {', '.join(missing)}")
    symbols, length, wrong = task.symbols, task.max_length, ""
    listed = isinstance(symbols, Sequence) and not isinstance(symbols, str)
    if not listed or any(not isinstance(each, str) for each in symbols):
        wrong = f"`symbols` of {where} must be a list of texts"
    elif not isinstance(length, int | np.integer) or isinstance(length, bool):
        wrong = f"`max_length` of {where} must be a whole number"
    elif length < 0:
        wrong = f"`max_length` of {where} is {length}, which is below 0"
    elif longest is not None and length > longest:
        wrong = f"`max_length` of {where} is {length}, and the model reads {longest}"
    elif not isinstance(task.causal, bool | np.bool_):
        wrong = f"`causal` of {where} must be True or False"
    if wrong:
        raise ValueError(wrong)


def is_stub(task: Any, member: str) -> bool:
    """Whether a method is `Task`'s own, which only says that it is missing."""
    base = next(each for each in type(task).__mro__ if each.__name__ == "Task")
    stub = vars(base).get(member)
    return callable(stub) and getattr(type(task), member, None) is stub


def has_answers(task: Any) -> bool:
    """Whether prompts have one right answer each, and the task can read and write them."""
    needed = ("problem", "encode", "decode", "answer_length")
    return task.measure == "exact_match" and not any(is_stub(task, m) for m in needed)


def watched(task: Any, longest: int | None = None, rows: int | None = None) -> None:
    """Let the methods of a task raise NE162 when they fail or return what they must not.
    ValueError from reading a prompt and NotImplementedError mean something, and pass. The
    model reads `longest` ids, below `rows`; None where that is open."""
    of_model: dict[str, Says] = {
        "encode": partial(ids, longest=longest, rows=rows),
        "attention_for": partial(places, task=task),
    }
    for name, says in (RETURNS | of_model).items():
        if callable(getattr(task, name, None)) and not is_stub(task, name):
            setattr(task, name, _watched(task, name, says))


def _watched(task: Any, name: str, says: Says) -> Callable[..., Any]:
    method = getattr(task, name)
    reads = name in ("encode", "answer_length", "attention_for")
    passing = (NotImplementedError, *[ValueError] * reads)

    @wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        with failures_named(task, passing):
            found = method(*arguments, **named)
            wrong = says(found, *arguments, *named.values())
        if wrong:
            raise refusal(
                "NE162",
                f"{type(task).__name__}.{name} returns {wrong}",
                help="docs/training.md has an example of a task of your own",
            )
        return found

    return call


def whole_number(found: Any, *_: Any) -> str:
    if isinstance(found, int | np.integer) and not isinstance(found, bool):
        return "" if found >= 0 else f"{found}, which is below 0"
    return f"{shown(found)}, not a whole number"


def pair_of_arrays(found: Any, split: Any, indices: Any, *_: Any) -> str:
    """Inputs and targets, a row for each index."""
    if not isinstance(found, tuple | list):
        return f"{shown(found)}, not two arrays: `return inputs, targets`"
    if len(found) != 2:
        return f"{len(found)} values, not two: `return inputs, targets`"
    inputs, targets = found
    parts = inputs if isinstance(inputs, tuple) else (inputs,)
    names = ["inputs"] * len(parts) + ["targets"]
    for name, part in zip(names, (*parts, targets), strict=True):
        if not isinstance(part, np.ndarray):
            return f"{shown(part)} as {name}, not a NumPy array"
        if part.dtype == object:
            return f"{name} of Python objects: rows of one length make an array"
        rows = len(part) if part.ndim else 0
        if rows != len(indices):
            return f"{name} for {rows:,} examples, and {len(indices):,} were asked for"
    if len(indices) and any(part.size == 0 for part in parts):
        return f"inputs without content: their shape is {parts[0].shape}"
    return ""


def two_texts(found: Any, *_: Any) -> str:
    if isinstance(found, tuple | list) and len(found) == 2:
        return next((f"{text(each)} in it" for each in found if text(each)), "")
    return f"{shown(found)}, not a prompt and its answer: `return prompt, answer`"


def text(found: Any, *_: Any) -> str:
    return "" if isinstance(found, str) else f"{shown(found)}, not a text"


def ids(
    found: Any, *_: Any, longest: int | None = None, rows: int | None = None
) -> str:
    """The ids of one sequence, as a model reads them."""
    array = np.asarray(found) if isinstance(found, np.ndarray | list | tuple) else None
    if array is None or array.ndim != 1 or array.dtype.kind not in "iu":
        return f"{shown(found)}, not an array of ids such as `np.array([1, 2])`"
    if array.size == 0:
        return "no ids"
    if longest is not None and array.size > longest:
        return f"{array.size:,} ids, and the model reads {longest:,}"
    if rows is not None and array.max() >= rows:
        return f"the id {array.max():,}, and the model knows the ids below {rows:,}"
    return "" if array.min() >= 0 else f"the id {array.min()}"


def places(found: Any, prompt: Any, task: Any) -> str:
    """None, or where each query looks, in what a model reads for the prompt."""
    if found is None:
        return ""
    try:
        fits = isinstance(found, list | tuple) and all(
            isinstance(query, int | np.integer)
            and isinstance(keys, list | tuple | np.ndarray)
            and all(isinstance(key, int | np.integer) for key in keys)
            for query, keys in found
        )
    except (TypeError, ValueError):  # of something that is no pair
        fits = False
    if not fits:
        return f"{shown(found)}, not pairs such as `(4, (0, 1))`"
    length = len(task.encode(prompt))
    if task.causal:  # its own answer too, but for the last id
        length += max(task.answer_length(prompt) - 1, 0)
    named = (place for query, keys in found for place in (query, *keys))
    outside = next((place for place in named if not 0 <= place < length), None)
    what = f"the place {outside}, and the model reads {length} ids for {prompt!r}"
    return "" if outside is None else what


RETURNS: dict[str, Says] = {
    "size": whole_number,
    "batch": pair_of_arrays,
    "problem": two_texts,
    "decode": text,
    "answer_length": whole_number,
    "is_end": lambda found, *_: "",
}


def shown(value: Any) -> str:
    """A value for a message: short, arrays by their shape."""
    if isinstance(value, np.ndarray):
        return f"one array of the shape {value.shape}"
    full = repr(value)
    return full if len(full) <= 40 else f"a {type(value).__name__}"


@contextmanager
def failures_named(
    task: Any, passing: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Report an error in a task's own code as what it is (NE162), with its line, and a
    `sys.exit` there too. `passing` errors mean something to who called."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, (NeuralError, *passing)):
            raise
        frames = [f for f, _ in traceback.walk_tb(error.__traceback__)]
        own = [f for f in frames if f.f_locals.get("self") is task]
        if not own:
            raise
        method = f"{type(task).__name__}.{own[-1].f_code.co_name}"
        what = f"{type(error).__name__}: {error}"
        if isinstance(error, SystemExit):
            what = _ending(error)
        raise refusal(
            "NE162",
            f"the task fails in {method}: {what}",
            help="NEURAL_TRACEBACK=1 shows where",
        ) from error
