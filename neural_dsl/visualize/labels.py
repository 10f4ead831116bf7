"""Tokens as labels: what can be shown of any text, and with which fonts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

# Tried, where installed, for characters that DejaVu Sans lacks.
FALLBACK_FONTS: Final = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC"),
    *("Source Han Sans", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "IPAGothic"),
    *("Hiragino Sans", "PingFang SC", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic"),
    *("Noto Emoji", "Symbola", "Noto Sans Symbols 2", "Noto Sans Devanagari"),
    *("Noto Sans Thai", "Arial Unicode MS", "STIXGeneral"),
)
BASE_FONT: Final = "DejaVu Sans"  # comes with Matplotlib
MISSING: Final = "□"
_NAMED: Final = {"\n": "↵", "\r": "↵", "\t": "⇥", " ": "␣"}


def visible(token: str, longest: int = 16) -> str:
    """The token on one line, with every character visible, cut to `longest`, which then
    end in an ellipsis.

    Line ends become ↵, tabs ⇥, a token of blanks ␣; other control characters, lone
    surrogates and direction overrides become U+FFFD, so that no token can hide, break or
    turn around the label of another.
    """
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
    if len(text) > longest:
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
    for family in (BASE_FONT, *_installed_fallbacks()):
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
