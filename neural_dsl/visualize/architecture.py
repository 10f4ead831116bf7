"""The architecture picture: every layer with its shape and parameters.

`render` gives SVG, a self-contained HTML page around the same SVG, or PNG. All of them
come from one layout (`diagram_layout.py`); no program outside Python is needed.
"""

from __future__ import annotations

import io
from importlib.resources import files
from pathlib import PurePath
from typing import Any, Literal, TypeAlias

from neural_dsl.graph.nodes import Network, Setting
from neural_dsl.visualize.diagram import Card, diagram, shape_text, value_text
from neural_dsl.visualize.diagram_layout import Drawing, lay_out
from neural_dsl.visualize.markup import clean, script_json, svg_text

Format: TypeAlias = Literal["html", "svg", "png"]


def render(network: Network, format: str) -> bytes:
    """The architecture of a network as the bytes of an html, svg or png file.

    Raises ValueError for another format.
    """
    drawing = architecture_drawing(network)
    match format:
        case "svg":
            return svg_text(drawing).encode("utf-8")
        case "html":
            return _page(network, drawing).encode("utf-8")
        case "png":
            return _png(drawing)
    raise ValueError(f"no architecture format {format!r}; known: html, svg, png")


def architecture_svg(network: Network) -> str:
    """The architecture of a network as an SVG document."""
    return svg_text(architecture_drawing(network))


def architecture_drawing(network: Network) -> Drawing:
    """The layout: what stands where."""
    count = network.parameter_count
    heading = [
        network.name,
        f"{PurePath(network.source.name).name} · {count:,} parameters",
    ]
    training = [
        f"{kind} {_setting(setting)}"
        for kind, setting in (("loss", network.loss), ("optimizer", network.optimizer))
        if setting is not None
    ]
    if training:
        heading.append(" · ".join(training))
    return lay_out(diagram(network), heading)


def _setting(setting: Setting) -> str:
    """A setting in words: its name, and the learning rate where it has one."""
    rate = setting.params.get("learning_rate")
    if rate is None:
        return setting.name
    shown = rate.name if isinstance(rate, Setting) else value_text(rate)
    return f"{setting.name} (learning rate {shown})"


def _page(network: Network, drawing: Drawing) -> str:
    from jinja2 import Environment
    from markupsafe import Markup

    folder = files("neural_dsl.templates") / "explorer"

    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    details = [_details(network, card) for card in drawing.cards]
    return environment.from_string(text("architecture.html.j2")).render(
        title=clean(f"Architecture of {network.name}"),
        svg=Markup(svg_text(drawing, for_page=True)),
        details=Markup(script_json(details)),
        css=Markup(text("architecture.css")),
        script=Markup(text("architecture.js")),
    )


def _details(network: Network, card: Card) -> dict[str, Any]:
    """What the page says of a card that is chosen."""
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
        "heads": [
            f"{attention.num_heads} heads, {attention.kind}"
            for attention in first.attentions
        ],
    }


def _png(drawing: Drawing) -> bytes:
    from neural_dsl.visualize.diagram_figure import drawing_figure

    figure, dpi = drawing_figure(drawing)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
