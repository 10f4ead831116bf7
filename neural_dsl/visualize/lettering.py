"""Text measured before it is placed: width and height, lines and labels that fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties

from neural_dsl.visualize import style
from neural_dsl.visualize.labels import drawable, font_families, visible

TITLE_SIZE, NOTE_SIZE, AXIS_SIZE = 11.0, 7.5, 8.0  # points
SPARSE = 1.7  # position numbers stand so many times their own size apart
THINNED = 1.25  # the air where not every token is labelled
_RENDERER: Any = RendererAgg(1, 1, style.DPI)  # type: ignore[no-untyped-call]


@lru_cache(maxsize=100_000)
def measure(text: str, size: float, *, bold: bool = False) -> tuple[float, float]:
    """Width and height in pixels of one line of text at `style.DPI`."""
    weight = "bold" if bold else "normal"
    font = FontProperties(family=font_families([text]), size=size, weight=weight)
    width, height, _ = _RENDERER.get_text_width_height_descent(text, font, False)
    return width, height


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


Line: TypeAlias = tuple[str, float, str, bool]
"""One line of a heading: text, size, color, whether it is bold."""


def heading_lines(title: str, notes: Sequence[str], room: float) -> list[Line]:
    """The lines of a heading in at most `room` pixels."""
    lines = wrap(drawable(title), TITLE_SIZE, room, bold=True)
    found: list[Line] = [(line, TITLE_SIZE, style.INK, True) for line in lines]
    for note in notes:
        lines = wrap(drawable(note), NOTE_SIZE, room)
        found += [(line, NOTE_SIZE, style.QUIET, False) for line in lines]
    return found


@dataclass(frozen=True)
class Ticks:
    """Which positions of an axis are labelled, and how.

    `extent` is the room that the labels take beside the panel, in pixels.
    """

    positions: tuple[int, ...]
    texts: tuple[str, ...]
    size: float
    rotated: bool
    extent: float


def ticks(
    tokens: Sequence[str] | None,
    count: int,
    cell: float,
    across: bool,
    largest: float = 9.0,
) -> Ticks:
    """Labels for an axis of `count` cells, each `cell` pixels long, that never overlap.

    Every cell gets its label when the type can be made small enough; else labels are
    thinned to every 2nd, 5th, 10th, … Labels of an axis that runs `across` the page stand
    upright, unless all of them fit side by side, or they are position numbers. Without
    tokens the labels are the positions, from 0.
    """
    known = tokens is not None and len(tokens) == count
    texts = [drawable(visible(token)) for token in tokens or ()] if known else None
    line = measure("lp", 10.0)[1]
    for step in [m * 10**e for e in range(9) for m in (1, 2, 5)]:
        positions = tuple(range(0, count, step))
        chosen = tuple(texts[p] if texts else str(p) for p in positions)
        boxes = [measure(text, 10.0) for text in chosen]
        thinned = step > 1 and texts is not None
        # Single characters need less between them than words do to be told apart.
        air = 0.15 if texts and all(len(text) == 1 for text in texts) else 0.6
        first, last = (min(largest, 8.0), 7.0) if thinned else (largest, 6.0)
        for half in range(int(2 * (first - min(first, last))) + 1):
            size = first - half / 2
            # 3% of slack: hinting makes type a little wider or taller than in proportion.
            scale = 1.03 * size / 10
            width = scale * max((box[0] for box in boxes), default=0.0)
            height = scale * max([line, *(box[1] for box in boxes)])
            room = step * cell / (THINNED if thinned else 1.0)
            if texts is None and max(width, height) * SPARSE > room and count > 1:
                continue
            if across and width + air * scale * line <= room:
                return Ticks(positions, chosen, size, False, height)
            if across and texts and height <= room:
                return Ticks(positions, chosen, size, True, width)
            if not across and height <= room:
                return Ticks(positions, chosen, size, False, width)
    raise AssertionError("unreachable: a single label always fits")
