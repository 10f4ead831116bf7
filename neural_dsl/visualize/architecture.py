"""The architecture picture: every layer with its shape and parameters.

`render` gives SVG, a self-contained HTML page around the same SVG, or PNG. All of them
come from one layout (`diagram_layout.py`); no program outside Python is needed.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from neural_dsl.graph.nodes import Network, Setting
from neural_dsl.visualize.diagram import Card, diagram, shape_text, value_text
from neural_dsl.visualize.diagram_layout import Drawing, lay_out
from neural_dsl.visualize.markup import clean, page, script_json, svg_text

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
            return _page(network, drawing).encode("utf-8")
        case "png":
            from neural_dsl.visualize.diagram_figure import drawing_png

            return drawing_png(drawing)
    raise ValueError(f"no architecture format {format!r}; known: {', '.join(FORMATS)}")


def architecture_drawing(network: Network) -> Drawing:
    """The layout: what stands where."""
    file, count = PurePath(network.source.name).name, network.parameter_count
    heading = [network.name, f"{file} · {count:,} parameters"]
    settings = {"loss": network.loss, "optimizer": network.optimizer}
    training = [f"{kind} {_setting(one)}" for kind, one in settings.items() if one]
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
    from markupsafe import Markup

    details = [_details(network, card) for card in drawing.cards]
    return page(
        "architecture",
        title=clean(f"Architecture of {network.name}"),
        svg=Markup(svg_text(drawing, for_page=True)),
        details=Markup(script_json(details)),
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
