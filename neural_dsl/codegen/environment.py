"""Jinja2, set up for writing Python."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.codegen.imports import need
from neural_dsl.codegen.layout import WIDTH


class Symbol:
    """Stands for a number in a template: printed as a constructor parameter's name."""

    def __init__(self, name: str):
        self.name = name
        self.used = False

    def __repr__(self) -> str:
        self.used = True
        return self.name


class Undefined(StrictUndefined):
    """Strict, but `{{ text if condition }}` without an else is the empty text."""

    @property
    def _is_condition(self) -> bool:
        return bool(self._undefined_hint) and self._undefined_name is None

    def __str__(self) -> str:  # type: ignore[override]
        return "" if self._is_condition else super().__str__()

    def __bool__(self) -> bool:  # type: ignore[override]
        if self._is_condition:
            return False
        super().__bool__()


def arguments(parts: Iterable[str]) -> str:
    """An argument list from the parts that are not empty."""
    return ", ".join(part for part in parts if part)


def complement(share: Any) -> str:
    """1 - share, as a literal or an expression."""
    return f"1 - {share}" if isinstance(share, Symbol) else repr(round(1 - share, 12))


def prose(text: str) -> str:
    """Text from outside, safe in a docstring or comment: printable, on one line."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown.replace("\\", "/").replace('"', "'")


def total(terms: Sequence[str]) -> str:
    """The sum of the terms; Python cannot compile an expression of thousands of `+`."""
    return " + ".join(terms) if len(terms) <= 64 else f"sum([{', '.join(terms)}])"


def docstring(text: str, indent: str = "    ") -> str:
    """The text of a docstring at `indent`, wrapped where one line is too short for it;
    never inside a shape."""
    if len(indent) + len(text) + 6 <= WIDTH:
        return text
    kept = re.sub(r"\([^()]*\)", lambda shape: shape[0].replace(" ", "\xa0"), text)
    return filled(kept, WIDTH - len(indent) - 6, "", indent).replace("\xa0", " ")


def filled(text: str, width: int, first: str, indent: str) -> str:
    """The text in lines; words stay whole."""
    lines = textwrap.TextWrapper(width, first, indent, break_long_words=False)
    lines.break_on_hyphens = False
    return lines.fill(text)


def literal(value: Any) -> str:
    """A value as Python code, in Ruff's quotes. Text from outside goes through `repr`."""
    if isinstance(value, dict):
        pairs = (f"{literal(k)}: {literal(v)}" for k, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, tuple):
        inner = ", ".join(map(literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    text = repr(value)
    if isinstance(value, str) and text.startswith("'") and '"' not in text:
        return f'"{text[1:-1]}"'
    return text


@cache
def environment() -> Environment:
    """The one environment; templates are real files, undefined names are errors."""
    made = Environment(
        loader=FileSystemLoader(str(files("neural_dsl.templates"))),
        undefined=Undefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        extensions=["jinja2.ext.do"],
    )
    made.filters.update(
        arguments=arguments,
        complement=complement,
        docstring=docstring,
        prose=prose,
        pythonic=literal,
        own_name=lambda path, backend: BACKENDS[backend].own_name(path),
        total=total,
        sentence=lambda text: text[:1].upper() + text[1:],
    )
    made.globals["need"] = need
    return made
