"""Text of unknown origin, made safe for HTML, SVG and scripts; pages that hold it."""

from __future__ import annotations

import json
import unicodedata
from html import escape
from importlib.resources import files
from typing import Any

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
    html, css, script = (
        (folder / f"{name}.{suffix}").read_text(encoding="utf-8")
        for suffix in ("html.j2", "css", "js")
    )
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(html)
    return template.render(css=Markup(css), script=Markup(script), **values)
