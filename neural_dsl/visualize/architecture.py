"""The architecture picture: every layer with its shape and parameters.

`render` gives SVG, a self-contained HTML page around the same SVG, or PNG. All of them
come from one layout (`diagram_layout.py`); no program outside Python is needed.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from neural_dsl.graph.nodes import Network, Setting
from neural_dsl.visualize.diagram import Card, diagram, shape_text, value_text
from neural_dsl.visualize.diagram_layout import (
    LINE,
    SUM_RADIUS,
    Box,
    Drawing,
    Mark,
    Path,
    Sum,
    Text,
    lay_out,
)
from neural_dsl.visualize.markup import FONT, clean, page, script_json, xml_text

FORMATS = ("html", "svg", "png")


def render(network: Network, format: str) -> bytes:
    """The architecture of a network as the bytes of an html, svg or png file.

    Raises ValueError for another format.
    """
    drawing = architecture_drawing(network)
    match format:
        case "svg":
            return svg_text(drawing).encode("utf-8")
        case "html":
            from markupsafe import Markup

            details = [_details(network, card) for card in drawing.cards]
            shown = page(
                "architecture",
                title=clean(f"Architecture of {network.name}"),
                svg=Markup(svg_text(drawing, for_page=True)),
                details=Markup(script_json(details)),
            )
            return shown.encode("utf-8")
        case "png":
            from neural_dsl.visualize.diagram_figure import drawing_png

            return drawing_png(drawing)
    raise ValueError(f"no architecture format {format!r}; known: {', '.join(FORMATS)}")


def architecture_drawing(network: Network) -> Drawing:
    file, count = PurePath(network.source.name).name, network.parameter_count
    heading = [network.name, f"{file} · {count:,} parameters"]
    settings = {"loss": network.loss, "optimizer": network.optimizer}
    training = []
    for kind, setting in settings.items():
        if setting is not None:
            rate = setting.params.get("learning_rate")
            shown = rate.name if isinstance(rate, Setting) else value_text(rate)
            with_rate = "" if rate is None else f" (learning rate {shown})"
            training.append(f"{kind} {setting.name}{with_rate}")
    if training:
        heading.append(" · ".join(training))
    return lay_out(diagram(network), heading)


def _details(network: Network, card: Card) -> dict[str, Any]:
    first = card.layers[0]
    names = [layer.name for layer in card.layers[:12]]
    more = len(card.layers) - len(names)
    line, _ = network.source.position(first.span.start)
    return {
        "type": first.type,
        "names": names + ([f"and {more} more"] if more else []),
        "doc": first.spec.doc,
        "line": line,
        "params": [[key, value_text(value)] for key, value in first.params.items()],
        "inputs": [shape_text(tensor) for tensor in first.inputs],
        "output": shape_text(first.output),
        "weights": [
            [
                weight.name,
                " × ".join(str(size) for size in weight.shape) or "scalar",
                "" if weight.trainable else "not trained",
            ]
            for weight in first.weights
        ],
        "count": f"{first.parameter_count:,}",
        "heads": [f"{one.num_heads} heads, {one.kind}" for one in first.attentions],
    }


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
    for mark in (*reversed(drawing.grounds), *drawing.marks):
        parts.append(_svg(mark, drawing.cards, for_page))
    return "\n".join([*parts, "</svg>\n"])


def _svg(mark: Mark, cards: list[Card], for_page: bool) -> str:
    line = {"stroke": LINE, "stroke_width": "1.3"}
    match mark:
        case Box(x=x, y=y, width=width, height=height):
            place = {"x": x, "y": y, "width": width, "height": height}
            look: dict[str, Any] = {"rx": mark.radius, "fill": mark.fill}
            look["stroke"] = mark.edge
            if mark.card is None:
                return _tag("rect", **place, **look)
            card = cards[mark.card]
            label = xml_text(f"{card.title} {card.name}: {card.facts} → {card.shape}")
            if not for_page:
                return _tag("rect", f"<title>{label}</title>", **place, **look)
            look |= {"class": "card", "data-card": str(mark.card), "tabindex": "0"}
            look |= {"role": "button", "aria-label": label}
            return _tag("rect", **place, **look)
        case Text():
            content = xml_text(mark.text)
            if mark.badge:
                gap, fill = "6" if mark.text else "0", mark.badge_color
                content += _tag("tspan", xml_text(mark.badge), dx=gap, fill=fill)
            return _tag(
                "text",
                content,
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
        case Sum(x=x, y=y):
            left, right, top, bottom = (
                _number(place + arm)
                for place in (x, y)
                for arm in (5 - SUM_RADIUS, SUM_RADIUS - 5)
            )
            cross = f"M{left} {_number(y)}H{right}M{_number(x)} {top}V{bottom}"
            circle = _tag("circle", cx=x, cy=y, r=SUM_RADIUS, fill="#ffffff", **line)
            return circle + _tag("path", d=cross, **line)


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
