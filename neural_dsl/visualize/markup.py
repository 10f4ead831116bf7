"""Text of unknown origin, made safe for HTML, SVG and scripts; and a drawing as SVG."""

from __future__ import annotations

import json
import unicodedata
from html import escape
from typing import Any

from neural_dsl.visualize.diagram_layout import (
    LINE,
    SUM_RADIUS,
    Box,
    Drawing,
    Mark,
    Path,
    Sum,
    Text,
)

FONT = "system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif"


def clean(text: str) -> str:
    """Text without control characters, lone surrogates and the like, which HTML, XML or
    UTF-8 could not hold; U+FFFD stands in their places."""
    return "".join(
        "\ufffd"
        if unicodedata.category(character) in ("Cc", "Cs")
        or ord(character) & 0xFFFE == 0xFFFE
        else character
        for character in text
    )


def script_json(data: Any) -> str:
    """JSON that can stand in a <script> block: no <, > or & as such, ASCII only."""
    dumped = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        dumped = dumped.replace(character, f"\\u{ord(character):04x}")
    return dumped


def xml_text(text: str) -> str:
    """Text for XML: clean and escaped."""
    return escape(clean(text), quote=True)


def svg_text(drawing: Drawing, *, for_page: bool = False) -> str:
    """The drawing as an SVG document.

    With `for_page` its cards can be reached by keyboard and mouse and carry their number
    (`data-card`), for a script to react to.
    """
    width, height = _number(drawing.width), _number(drawing.height)
    # In a page it shrinks to the room there is, as long as it can be read.
    least = _number(0.7 * drawing.width)
    fluid = f' style="max-width:100%;height:auto;min-width:{least}px"' * for_page
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="{FONT}" role="group"{fluid}>',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        f'markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="{LINE}"/>'
        "</marker></defs>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    parts += [_mark(box, drawing, False) for box in reversed(drawing.grounds)]
    parts += [_mark(mark, drawing, for_page) for mark in drawing.marks]
    return "\n".join([*parts, "</svg>\n"])


def _mark(mark: Mark, drawing: Drawing, for_page: bool) -> str:
    match mark:
        case Box():
            attributes = (
                f'x="{_number(mark.x)}" y="{_number(mark.y)}" '
                f'width="{_number(mark.width)}" height="{_number(mark.height)}" '
                f'rx="{_number(mark.radius)}" fill="{mark.fill}" stroke="{mark.edge}"'
            )
            if mark.card is None:
                return f"<rect {attributes}/>"
            card = drawing.cards[mark.card]
            label = xml_text(f"{card.title} {card.name}: {card.facts} → {card.shape}")
            if for_page:
                return (
                    f'<rect {attributes} class="card" data-card="{mark.card}" '
                    f'tabindex="0" role="button" aria-label="{label}"/>'
                )
            return f"<rect {attributes}><title>{label}</title></rect>"
        case Text():
            weight = ' font-weight="600"' if mark.bold else ""
            anchor = f' text-anchor="{mark.anchor}"' if mark.anchor != "start" else ""
            badge = (
                f'<tspan dx="{6 if mark.text else 0}" fill="{mark.badge_color}">'
                f"{xml_text(mark.badge)}</tspan>"
                if mark.badge
                else ""
            )
            return (
                f'<text x="{_number(mark.x)}" y="{_number(mark.y)}" '
                f'font-size="{_number(mark.size)}" fill="{mark.color}"{weight}{anchor} '
                f'pointer-events="none">{xml_text(mark.text)}{badge}</text>'
            )
        case Path():
            way = " ".join(f"{_number(x)},{_number(y)}" for x, y in mark.points)
            head = ' marker-end="url(#head)"' if mark.arrow else ""
            return (
                f'<polyline points="{way}" fill="none" stroke="{LINE}" '
                f'stroke-width="1.3" stroke-linejoin="round"{head}/>'
            )
        case Sum():
            x, y, arm = mark.x, mark.y, SUM_RADIUS - 5
            cross = (
                f"M{_number(x - arm)} {_number(y)}H{_number(x + arm)}"
                f"M{_number(x)} {_number(y - arm)}V{_number(y + arm)}"
            )
            return (
                f'<circle cx="{_number(x)}" cy="{_number(y)}" r="{_number(SUM_RADIUS)}" '
                f'fill="#ffffff" stroke="{LINE}" stroke-width="1.3"/>'
                f'<path d="{cross}" stroke="{LINE}" stroke-width="1.3"/>'
            )


def _number(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
