"""Text measured before it is placed: width and height, lines that fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties

from neural_dsl.visualize import style
from neural_dsl.visualize.labels import drawable, font_families

TITLE_SIZE, NOTE_SIZE, AXIS_SIZE = 11.0, 7.5, 8.0  # points


@lru_cache(maxsize=100_000)
def measure(text: str, size: float, *, bold: bool = False) -> tuple[float, float]:
    """Width and height in pixels of one line of text at `style.DPI`."""
    weight = "bold" if bold else "normal"
    font = FontProperties(family=font_families([text]), size=size, weight=weight)
    width, height, _ = _renderer().get_text_width_height_descent(text, font, False)
    return width, height


@cache
def _renderer() -> Any:
    return RendererAgg(1, 1, style.DPI)  # type: ignore[no-untyped-call]


def wrap(text: str, size: float, width: float, *, bold: bool = False) -> list[str]:
    """`text` in lines of at most `width` pixels; a word that is too long is broken."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if measure(longer, size, bold=bold)[0] <= width:
            lines[-1] = longer
            continue
        pieces = _break(word, size, width, bold)
        lines += pieces if lines[-1] else []
        if not lines[0]:
            lines = pieces
    return lines


def _break(word: str, size: float, width: float, bold: bool) -> list[str]:
    """A long word in pieces, broken behind a dot or an underscore where one is near."""
    pieces = [""]
    for character in word:
        if pieces[-1] and measure(pieces[-1] + character, size, bold=bold)[0] > width:
            full = pieces[-1]
            joint = max(full.rfind("."), full.rfind("_")) + 1
            cut = joint if joint > len(full) // 3 else len(full)
            pieces[-1:] = [full[:cut], full[cut:]]
        pieces[-1] += character
    return pieces


def line_height(size: float) -> float:
    """The distance of two lines of text, in pixels."""
    return 1.35 * size * style.DPI / 72


@dataclass(frozen=True)
class Line:
    """One line of a heading."""

    text: str
    size: float
    color: str
    bold: bool


def heading_lines(title: str, notes: Sequence[str], room: float) -> list[Line]:
    """The lines of a heading in at most `room` pixels."""
    lines = wrap(drawable(title), TITLE_SIZE, room, bold=True)
    found = [Line(line, TITLE_SIZE, style.INK, True) for line in lines]
    for note in notes:
        lines = wrap(drawable(note), NOTE_SIZE, room)
        found += [Line(line, NOTE_SIZE, style.QUIET, False) for line in lines]
    return found
