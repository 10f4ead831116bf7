"""Tokens as labels: what can be shown of any text, and how many fit on an axis."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

LONGEST: Final = 16
"""Longer labels are cut and end in an ellipsis."""

FALLBACK_FONTS: Final = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC"),
    *("Source Han Sans", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "IPAGothic"),
    *("Hiragino Sans", "PingFang SC", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic"),
    *("Noto Emoji", "Symbola", "Noto Sans Symbols 2", "Noto Sans Devanagari"),
    *("Noto Sans Thai", "Arial Unicode MS", "STIXGeneral"),
)
"""Tried, where installed, for characters that DejaVu Sans lacks."""

SPARSE: Final = 1.7
"""Position numbers stand at least this many times their own size apart, on both axes."""

THINNED: Final = 1.25
"""Where not every token is labelled, there is this much air between those that are."""

BASE_FONT: Final = "DejaVu Sans"  # comes with Matplotlib
MISSING: Final = "□"
_NAMED: Final = {"\n": "↵", "\r": "↵", "\t": "⇥", " ": "␣"}

Measure = Callable[[str, float], tuple[float, float]]
"""(text, size in points) -> width and height in pixels."""


def visible(token: str, longest: int | None = LONGEST) -> str:
    """The token on one line, with every character visible, cut to `longest`.

    Line ends become ↵, tabs ⇥, a token of blanks ␣; other control characters, lone
    surrogates and direction overrides become U+FFFD, so that no token can hide, break or
    turn around the label of another.
    """
    if longest is not None and len(token) > 4 * longest:
        token = token[: 4 * longest]  # a token may be a megabyte long
    blank = not token.strip(" ")
    text = "".join(
        _NAMED[character]
        if character in "\n\r\t" or (blank and character == " ")
        else "\ufffd"
        if unicodedata.category(character) in ("Cc", "Cs", "Cf", "Zl", "Zp")
        else character
        for character in token.replace("\r\n", "\n")
    )
    if longest is not None and len(text) > longest:
        text = text[: longest - 1].rstrip() + "…"
    return text or "∅"


def drawable(text: str) -> str:
    """`text` with the characters that no usable font has replaced by □."""
    if text.isascii():
        return text
    return "".join(
        character if font_with(character) is not None else MISSING
        for character in text
        if not unicodedata.category(character).startswith("M") or font_with(character)
    )


def undrawable(texts: Iterable[str]) -> str:
    """The characters of some texts that are drawn as □, each once, in order."""
    found = {c for text in texts for c in text if not c.isascii()}
    return "".join(sorted(c for c in found if drawable(c) == MISSING != c))


def font_families(texts: Sequence[str]) -> list[str]:
    """The base font, and the fallbacks that these texts need."""
    families = [BASE_FONT]
    for character in sorted({c for text in texts for c in text if not c.isascii()}):
        family = font_with(character)
        if family is not None and family not in families:
            families.append(family)
    return families


@cache
def font_with(character: str) -> str | None:
    """The first family that has the character: the base font, an installed fallback."""
    if ord(character) in _characters(BASE_FONT):
        return BASE_FONT
    for family in _installed_fallbacks():
        if ord(character) in _characters(family):
            return family
    return None


@cache
def _installed_fallbacks() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    installed = {entry.name for entry in fontManager.ttflist}
    return tuple(family for family in FALLBACK_FONTS if family in installed)


@cache
def _characters(family: str) -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(family)).get_charmap())


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
    measure: Measure,
    across: bool,
    largest: float = 9.0,
    smallest: float = 6.0,
) -> Ticks:
    """Labels for an axis of `count` cells, each `cell` pixels long, that never overlap.

    Every cell gets its label when the type can be made small enough; else labels are
    thinned to every 2nd, 5th, 10th, … Labels of an axis that runs `across` the page stand
    upright, unless all of them fit side by side, or they are position numbers. Without
    tokens the labels are the positions, from 0.
    """
    known = tokens is not None and len(tokens) == count
    texts = [drawable(visible(t)) for t in tokens or ()] if known else None
    for step in _steps():
        positions = tuple(range(0, count, step))
        chosen = tuple(texts[p] if texts else str(p) for p in positions)
        boxes = [measure(text, 10.0) for text in chosen]
        line = measure("lp", 10.0)[1]
        thinned = step > 1 and texts is not None
        # Single characters need less between them than words do to be told apart.
        air = 0.15 if texts and all(len(text) == 1 for text in texts) else 0.6
        sizes = _sizes(min(largest, 8.0), 7.0) if thinned else _sizes(largest, smallest)
        for size in sizes:
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


def _steps() -> Sequence[int]:
    """1, 2, 5, 10, 20, …: how many positions lie from label to label."""
    return [m * 10**e for e in range(9) for m in (1, 2, 5)]


def _sizes(largest: float, smallest: float) -> list[float]:
    """From `largest` down to `smallest` points by halves."""
    smallest = min(smallest, largest)
    return [largest - s / 2 for s in range(int(2 * (largest - smallest)) + 1)]
