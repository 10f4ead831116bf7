"""The pictures that `neural visualize` draws. Each stands in a file of this package that
says so by `@picture`; nothing else lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from inspect import signature
from pkgutil import iter_modules
from typing import Any, TypeVar

from neural_dsl import visualize
from neural_dsl.visualize.figures import picture_bytes
from neural_dsl.visualize.views import Training, View, deepest

D = TypeVar("D", bound=Callable[..., Any])
_KNOWN: dict[str, Callable[..., Any]] = {}


def picture(file: str) -> Callable[[D], D]:
    """Say that the function draws the file of that name, as a figure, text or bytes.

    What it is made from, the name begins with: views for "attention", a `Training` for
    "evolution". Where `{layer}` is in the name, there is a file for each attention, whose
    name comes second. Of the wishes (`heads`, None for no choice; `head`, the first of
    them; `scale`) the function is given those that it has a parameter for.
    """

    def register(draw: D) -> D:
        _KNOWN[file] = draw
        return draw

    return register


def pictures(of: str) -> dict[str, Callable[..., Any]]:
    """Every picture of "attention" or "evolution": the name of its file -> what draws."""
    for module in iter_modules(visualize.__path__):
        import_module(f"{visualize.__name__}.{module.name}")
    return {file: draw for file, draw in _KNOWN.items() if file.startswith(of)}


def drawings(
    of: str, shown: Sequence[View] | Training, form: str, **wishes: Any
) -> Iterator[tuple[str, bytes]]:
    """The files of all pictures: names and contents, one at a time."""
    views = shown.moments[:1] if isinstance(shown, Training) else shown
    layers = [one.name for one in deepest(views)]
    for file, draw in pictures(of).items():
        known = {k: v for k, v in wishes.items() if k in signature(draw).parameters}
        for given in [[layer] for layer in layers] if "{layer}" in file else [[]]:
            drawn = draw(shown, *given, **known)
            if isinstance(drawn, str):
                drawn = drawn.encode("utf-8")
            if not isinstance(drawn, bytes):
                drawn = picture_bytes(drawn, form, quick=True)
            yield file.format(layer="".join(given), form=form), drawn
