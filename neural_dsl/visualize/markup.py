"""Text of unknown origin, made safe for HTML, SVG and scripts; and a drawing as SVG."""

from __future__ import annotations

import json
import unicodedata
from html import escape
from importlib.resources import files
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


def page(name: str, **values: Any) -> str:
    """The page NAME of `templates/explorer`, with its style and its script."""
    from jinja2 import Environment
    from markupsafe import Markup

    folder = files("neural_dsl.templates") / "explorer"

    def text(suffix: str) -> str:
        return (folder / f"{name}.{suffix}").read_text(encoding="utf-8")

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    css, script = Markup(text("css")), Markup(text("js"))
    template = environment.from_string(text("html.j2"))
    return template.render(css=css, script=script, **values)


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
        _tag("rect", width=width, height=height, fill="#ffffff"),
    ]
    parts += [_box(box, drawing, False) for box in reversed(drawing.grounds)]
    parts += [_mark(mark, drawing, for_page) for mark in drawing.marks]
    return "\n".join([*parts, "</svg>\n"])


def _mark(mark: Mark, drawing: Drawing, for_page: bool) -> str:
    line = {"stroke": LINE, "stroke_width": "1.3"}
    match mark:
        case Box():
            return _box(mark, drawing, for_page)
        case Text():
            badge = ""
            if mark.badge:
                gap = "6" if mark.text else "0"
                text = xml_text(mark.badge)
                badge = _tag("tspan", text, dx=gap, fill=mark.badge_color)
            return _tag(
                "text",
                xml_text(mark.text) + badge,
                x=mark.x,
                y=mark.y,
                font_size=mark.size,
                fill=mark.color,
                font_weight="600" if mark.bold else None,
                text_anchor=None if mark.anchor == "start" else mark.anchor,
                pointer_events="none",
            )
        case Path():
            way = " ".join(f"{_number(x)},{_number(y)}" for x, y in mark.points)
            head = "url(#head)" if mark.arrow else None
            ends = {"stroke_linejoin": "round", "marker_end": head}
            return _tag("polyline", points=way, fill="none", **line, **ends)
        case Sum():
            x, y, arm = mark.x, mark.y, SUM_RADIUS - 5
            cross = (
                f"M{_number(x - arm)} {_number(y)}H{_number(x + arm)}"
                f"M{_number(x)} {_number(y - arm)}V{_number(y + arm)}"
            )
            circle = _tag("circle", cx=x, cy=y, r=SUM_RADIUS, fill="#ffffff", **line)
            return circle + _tag("path", d=cross, **line)


def _box(box: Box, drawing: Drawing, for_page: bool) -> str:
    place = {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
    look: dict[str, Any] = {"rx": box.radius, "fill": box.fill, "stroke": box.edge}
    if box.card is None:
        return _tag("rect", **place, **look)
    card = drawing.cards[box.card]
    label = xml_text(f"{card.title} {card.name}: {card.facts} → {card.shape}")
    if not for_page:
        return _tag("rect", f"<title>{label}</title>", **place, **look)
    reached = {"class": "card", "data-card": str(box.card), "tabindex": "0"}
    named = {"role": "button", "aria-label": label}
    return _tag("rect", **place, **look, **reached, **named)


def _tag(name: str, content: str = "", /, **attributes: str | float | None) -> str:
    """An element; `content` and texts among the attributes (None: left out) are XML."""
    shown = "".join(
        f' {key.replace("_", "-")}="{_number(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in ("text", "tspan") or content:
        return f"<{name}{shown}>{content}</{name}>"
    return f"<{name}{shown}/>"


def _number(value: str | float) -> str:
    """A coordinate with at most one decimal; a text as it is."""
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
