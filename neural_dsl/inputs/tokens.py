"""Token labels: `The,cat,sat`, or `source=The,cat` when there are several inputs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.files import quoted
from neural_dsl.graph.nodes import Input

Tokens: TypeAlias = str | Sequence[str] | Mapping[str, str | Sequence[str]]


def refuse(message: str, help: str = "") -> NeuralError:
    """NE129."""
    return refusal("NE129", message, help=help)


def split(text: str) -> tuple[str, ...]:
    """`The, cat` -> ("The", "cat"). A token with a comma goes in double quotes, as in
    CSV. A token of nothing but spaces is kept; an empty one is a slip (NE129)."""
    if "\n" in text or "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", " ")
    try:
        tokens = next(csv.reader([text], skipinitialspace=True), [])
    except csv.Error as error:  # a token of more than 131,072 characters
        raise refuse(f"the tokens cannot be split: {error}") from error
    if not tokens:
        raise refuse("there are no tokens", 'list them with commas: "The,cat,sat"')
    for number, token in enumerate(tokens, 1):
        if token == "":
            raise refuse(
                f"token {number} of {quoted(text)} is empty",
                "leave out the extra comma, or quote a comma itself: 'a,\",\",b'",
            )
    return tuple(token.strip() or token for token in tokens)


def unknown_input(name: str, names: Sequence[str], meant: str = "") -> NeuralError:
    """NE129 for a misspelt input; `meant` is how to say it if `name` is no input's."""
    near = closest(name, names)
    help = f"did you mean `{near}`? " if near else ""
    help += "the network's " + ("inputs are " if len(names) > 1 else "only input is ")
    help += ", ".join(f"`{each}`" for each in names)
    if meant and len(names) == 1:
        help += f"; if the `=` is part of a token: --tokens '{meant}'"
    return refuse(f"there is no input called {quoted(name)}", help)


def from_options(
    options: Iterable[str], inputs: Sequence[Input]
) -> dict[str, tuple[str, ...]]:
    """What `--tokens` says, by input. Raises NE129."""
    names = [item.name for item in inputs]
    found: dict[str, tuple[str, ...]] = {}
    for option in options:
        name, equals, rest = option.partition("=")
        if equals and name.strip() in names:
            name, text = name.strip(), rest
        elif equals and name.strip().isidentifier():
            raise unknown_input(name.strip(), names, f"{names[0]}={option}")
        elif len(names) == 1:
            name, text = names[0], option
        else:
            raise refuse(
                f"`--tokens` {quoted(option)} does not say for which input",
                "the network has several: "
                + " ".join(f'--tokens {n}="…"' for n in names),
            )
        if name in found:
            raise refuse(f"`--tokens` was given twice for the input `{name}`")
        found[name] = split(text)
    return found


def from_value(
    tokens: Tokens | None, inputs: Sequence[Input]
) -> dict[str, tuple[str, ...]]:
    """What the Python API takes: a string, a list, or either by input name."""
    names = [item.name for item in inputs]
    if tokens is None:
        return {}
    if isinstance(tokens, Mapping):
        unknown = [name for name in tokens if name not in names]
        if unknown:
            raise unknown_input(unknown[0], names)
        return {name: one(value) for name, value in tokens.items()}
    if len(names) > 1:
        raise refuse(
            "the tokens do not say for which input they are",
            f"give a dict with the keys {', '.join(names)}",
        )
    return {names[0]: one(tokens)}


def one(value: str | Sequence[str]) -> tuple[str, ...]:
    """The tokens of one input."""
    if isinstance(value, str):
        return split(value)
    if not isinstance(value, Iterable):
        raise refuse(f"tokens are a string or a list of strings, not {value!r}")
    tokens = tuple(str(token) for token in value)
    if not tokens:
        raise refuse("there are no tokens")
    if "" in tokens:
        raise refuse(
            f"token {tokens.index('') + 1} of {len(tokens)} is empty",
            "leave it out, or label the position with a space",
        )
    return tokens
