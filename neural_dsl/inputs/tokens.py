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
Labels: TypeAlias = dict[str, tuple[str, ...]]


def refuse(message: str, help: str = "") -> NeuralError:
    """NE129."""
    return refusal("NE129", message, help=help)


def split(text: str) -> tuple[str, ...]:
    """`The, cat` -> ("The", "cat"). A token with a comma goes in double quotes, as in
    CSV. A token of nothing but spaces is kept; an empty one is a slip (NE129)."""
    line = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", " ")
    try:
        tokens = next(csv.reader([line], skipinitialspace=True), [])
    except csv.Error as error:  # a token of more than 131,072 characters
        raise refuse(f"the tokens cannot be split: {error}") from error
    if not tokens:
        raise refuse("there are no tokens", 'list them with commas: "The,cat,sat"')
    if "" in tokens:
        message = f"token {tokens.index('') + 1} of {quoted(line)} is empty"
        help = "leave out the extra comma, or quote a comma itself: 'a,\",\",b'"
        raise refuse(message, help)
    return tuple(token.strip() or token for token in tokens)


def from_options(options: Iterable[str], inputs: Sequence[Input]) -> Labels:
    """What `--tokens` says, by input. Raises NE129."""
    names, found = [item.name for item in inputs], Labels()
    for option in options:
        before, equals, rest = option.partition("=")
        name, text = before.strip(), rest
        if not (equals and name in names):
            if equals and name.isidentifier():
                raise _unknown(name, names, f"{names[0]}={option}")
            if len(names) > 1:
                several = " ".join(f'--tokens {n}="…"' for n in names)
                message = f"`--tokens` {quoted(option)} does not say for which input"
                raise refuse(message, f"the network has several: {several}")
            name, text = names[0], option
        if name in found:
            raise refuse(f"`--tokens` was given twice for the input `{name}`")
        found[name] = split(text)
    return found


def from_value(tokens: Tokens | None, inputs: Sequence[Input]) -> Labels:
    """What the Python API takes: a string, a list, or either by input name."""
    names = [item.name for item in inputs]
    if tokens is None:
        return {}
    if isinstance(tokens, Mapping):
        for name in tokens:
            if name not in names:
                raise _unknown(name, names)
        return {name: _one(value) for name, value in tokens.items()}
    if len(names) > 1:
        help = f"give a dict with the keys {', '.join(names)}"
        raise refuse("the tokens do not say for which input they are", help)
    return {names[0]: _one(tokens)}


def _unknown(name: str, names: Sequence[str], meant: str = "") -> NeuralError:
    """NE129 for a misspelt input; `meant` is how to say it if `name` is no input's."""
    help = told(names, [name])
    if meant and len(names) == 1:
        help += f"; if the `=` is part of a token: --tokens '{meant}'"
    return refuse(f"there is no input called {quoted(name)}", help)


def told(names: Sequence[str], unknown: Iterable[str]) -> str:
    """The network's inputs, for help with names that are none of them."""
    near = next(filter(None, (closest(str(name), names) for name in unknown)), None)
    meant = f"did you mean `{near}`? " if near else ""
    what = "inputs are" if len(names) > 1 else "only input is"
    return f"{meant}the network's {what} " + ", ".join(f"`{each}`" for each in names)


def _one(value: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        return split(value)
    if not isinstance(value, Iterable):
        raise refuse(f"tokens are a string or a list of strings, not {value!r}")
    tokens = tuple(str(token) for token in value)
    if not tokens:
        raise refuse("there are no tokens")
    if "" in tokens:
        message = f"token {tokens.index('') + 1} of {len(tokens)} is empty"
        raise refuse(message, "leave it out, or label the position with a space")
    return tokens
