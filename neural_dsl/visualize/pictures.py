"""The pictures that `neural visualize` draws. Each stands in a file of this package that
says so by `@picture`; nothing else lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, TypeVar

from neural_dsl import visualize
from neural_dsl.visualize.figures import figure_bytes
from neural_dsl.visualize.style import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

D = TypeVar("D", bound="Callable[..., Figure | bytes]")
_KNOWN: dict[str, Callable[..., Figure | bytes]] = {}


@dataclass(frozen=True)
class Wish:
    """How pictures are wanted: with which heads (none: what the picture shows by itself),
    on which scale (None: the weights choose), in which format."""

    heads: Sequence[int] = ()
    scale: Kind | None = None
    form: str = "png"


def picture(file: str) -> Callable[[D], D]:
    """Say that the function draws the file of that name.

    What it is given first, the name begins with: views for "attention", a `Training` for
    "evolution". Then comes the wish; where `{layer}` is in the name, there is a file for
    each attention, whose name comes last. It gives a figure, or the bytes of the file.
    """

    def register(draw: D) -> D:
        _KNOWN[file] = draw
        return draw

    return register


def pictures(of: str) -> dict[str, Callable[..., Figure | bytes]]:
    """Every picture of "attention" or "evolution": the name of its file -> what draws."""
    for module in iter_modules(visualize.__path__):
        import_module(f"{visualize.__name__}.{module.name}")
    return {file: draw for file, draw in _KNOWN.items() if file.startswith(of)}


def drawings(
    of: str, shown: Any, layers: Sequence[str], wish: Wish
) -> Iterator[tuple[str, bytes]]:
    """The files of all pictures: names and contents, one at a time."""
    for file, draw in pictures(of).items():
        for given in [[one] for one in layers] if "{layer}" in file else [[]]:
            drawn = draw(shown, wish, *given)
            if not isinstance(drawn, bytes):
                drawn = figure_bytes(drawn, wish.form)
            yield file.format(layer="".join(given), form=wish.form), drawn
