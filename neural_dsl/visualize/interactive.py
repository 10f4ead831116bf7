"""The interactive page: choose a layer and a head, point at a cell, zoom.

One HTML file that needs no network. Each matrix is stored once, as 16-bit numbers,
compressed, and is unpacked by the browser when it is chosen: twelve layers of twelve
heads at 64 tokens add about 1 MB to Plotly's own 5 MB, and the page holds one trace at a
time, however many heads there are.

Tokens are text of unknown origin. In the page they are data in an escaped JSON block; for
Plotly, which reads a little HTML in labels, they are escaped so that they show literally.
Positions, not tokens, are the coordinates, so equal tokens never share a cell.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_dsl.attention.analysis import analyse
from neural_dsl.attention.items import check_batch_item
from neural_dsl.attention.metrics import METRICS
from neural_dsl.attention.record import AttentionRecord, LayerAttention
from neural_dsl.visualize import style
from neural_dsl.visualize.labels import visible
from neural_dsl.visualize.markup import FONT, clean, script_json
from neural_dsl.visualize.views import View, provenance_notes

if TYPE_CHECKING:
    import plotly.graph_objects as go

FULL_WEIGHT = 65535
LONGEST_TOKEN = 200
"""What the page keeps of a token beyond its label, in characters."""
EXPECTED_TITLE = "mass on expected cells"


def attention_figure(
    record: AttentionRecord,
    layer: str | None = None,
    head: int | None = None,
    batch_item: int = 0,
) -> go.Figure:
    """A Plotly figure of one matrix, with the exact weights.

    `layer` is an attention name (None: the first), `head` None averages the heads.
    Raises ValueError for a layer or head that the record does not have, and
    NeuralError NE133 for such a batch item.
    """
    import plotly.graph_objects as go

    chosen = [one for one in record.layers if layer in (None, one.name)]
    if not chosen:
        raise ValueError(f"no attention {layer} in the record")
    one = chosen[0]
    batch, heads, queries, keys = one.shape
    check_batch_item(batch_item, batch)
    if head is not None and not 0 <= head < heads:
        raise ValueError(f"no head {head}: {one.name} has {heads}")
    weights = one.tile(batch_item, head)
    allowed = one.allowed.tile(batch_item, head)
    x = [_literal(label) for label in _labels(one.key_tokens, batch_item, keys)]
    y = [_literal(label) for label in _labels(one.query_tokens, batch_item, queries)]
    place = "query %{y}<br>key %{x}<br>"
    traces = [
        go.Heatmap(
            x=x,
            y=y,
            z=np.where(allowed, weights, np.nan),
            zmin=0,
            zmax=float(weights[allowed].max(initial=0)) or 1.0,
            colorscale=style.plotly_colorscale(),
            colorbar={"title": {"text": style.COLOR_BAR_LABEL, "side": "right"}},
            hoverongaps=False,
            hovertemplate=place + "weight %{z:.4f}<extra></extra>",
        )
    ]
    if not allowed.all():
        traces.append(
            go.Heatmap(
                x=x,
                y=y,
                z=np.where(allowed, np.nan, 1.0),
                showscale=False,
                colorscale=[[0, style.MASKED], [1, style.MASKED]],
                hoverongaps=False,
                hovertemplate=place + "masked<extra></extra>",
            )
        )
    shown = f"mean of {heads} heads" if head is None else f"head {head}"
    title = f"{_literal(one.name)}, {shown}"
    note = f"<br><sup>{_literal(record.line([one]))}</sup>"
    axis = {"type": "category", "showgrid": False, "automargin": True}
    figure = go.Figure(data=traces)
    figure.update_layout(
        template="none",
        title={"text": title + note},
        font={"family": FONT, "color": style.INK},
        xaxis={**axis, "title": {"text": style.KEY_LABEL}},
        yaxis={**axis, "title": {"text": style.QUERY_LABEL}, "autorange": "reversed"},
    )
    return figure


def attention_page(
    record: AttentionRecord, batch_item: int = 0, caption: str = ""
) -> str:
    """The whole page as HTML, the same text for the same record.

    Pictures show one batch item; metrics cover the batch. Raises NeuralError
    NE133 for a batch item that the record does not have.
    """
    batch = record.layers[0].shape[0]
    check_batch_item(batch_item, batch)
    notes = [*([caption] if caption else []), record.line()]
    if batch > 1:
        notes.append(f"batch item {batch_item} of a batch of {batch}")
    return _page([View(caption, record)], notes, batch_item)


def comparison_page(views: Sequence[View]) -> str:
    """A page that changes between views, each of one sequence, at the same head."""
    return _page(views, provenance_notes(views), 0)


def _page(views: Sequence[View], notes: Sequence[str], item: int) -> str:
    from jinja2 import Environment
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    folder = files("neural_dsl.templates") / "explorer"

    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    layers = [layer for view in views for layer in view.record.layers]
    pages = [
        {"view": number} | _layer(layer, entry["heads"], item)
        for number, view in enumerate(views)
        for layer, entry in zip(view.record.layers, analyse(view.record), strict=True)
    ]
    models = dict.fromkeys(view.record.provenance.model for view in views)
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(text("attention.html.j2")).render(
        title=clean(f"Attention of {' and '.join(models)}"),
        notes=[clean(note) for note in notes],
        views=[clean(view.caption) for view in views],
        layers=[
            {"name": clean(layer.name), "matrices": _matrices(layer, item)}
            for layer in layers
        ],
        metrics=METRICS.values(),
        expected_title=EXPECTED_TITLE
        if any(layer.expected is not None for layer in layers)
        else "",
        css=Markup(text("attention.css")),
        script=Markup(text("attention.js")),
        plotly=Markup(get_plotlyjs()),
        record=Markup(script_json(_page_data(pages, len(layers[0].weights)))),
    )


def _page_data(layers: list[dict[str, Any]], batch: int) -> dict[str, Any]:
    """What the script reads: the look, and every layer but for its matrices."""
    return {
        "batch": batch,
        "layers": layers,
        "colorscale": style.plotly_colorscale(),
        "bar_title": style.COLOR_BAR_LABEL,
        "font": FONT,
        "ink": style.INK,
        "quiet": style.QUIET,
        "frame": style.FRAME,
        "masked": "#e4e4e4",
        "padded": style.PADDED,
        "expected": style.EXPECTED,
        "casing": style.EXPECTED_CASING,
    }


def _layer(
    layer: LayerAttention, heads: list[dict[str, Any]], item: int
) -> dict[str, Any]:
    _, _, queries, keys = layer.shape
    weights = layer.weights[item] * layer.allowed.item(item).rows()[0]
    tops = [weights.mean(0).max(initial=0), *weights.max((1, 2), initial=0)]
    tokens = layer.query_tokens is not None or layer.key_tokens is not None
    return {
        "name": layer.name,
        "kind": layer.kind,
        "queries": queries,
        "keys": keys,
        "heads": heads,
        "tokens": tokens,
        "query_labels": _labels(layer.query_tokens, item, queries),
        "key_labels": _labels(layer.key_tokens, item, keys),
        "query_tokens": _whole(layer.query_tokens, item),
        "key_tokens": _whole(layer.key_tokens, item),
        "query_mask": None
        if layer.query_mask is None
        else layer.query_mask[item].astype(int).tolist(),
        "key_mask": None
        if layer.key_mask is None
        else layer.key_mask[item].astype(int).tolist(),
        "expected": None
        if layer.expected is None
        else np.argwhere(layer.expected[item]).tolist(),
        "tops": [round(float(top), 7) for top in tops],
        "largest": round(float(max(tops)), 7),
    }


def _matrices(layer: LayerAttention, item: int) -> list[str]:
    """The mean of the heads, then every head: base64 of zlib of 16-bit numbers.

    65535 stands for a weight of 1, so a weight is off by 7.6e-6 at most.
    """
    heads = (None, *range(layer.num_heads))
    return [_packed(layer.tile(item, head)) for head in heads]


def _packed(matrix: np.ndarray[Any, np.dtype[Any]]) -> str:
    scaled = np.rint(np.clip(matrix, 0, 1) * float(FULL_WEIGHT)).astype("<u2")
    return base64.b64encode(zlib.compress(scaled.tobytes(), 6)).decode("ascii")


def _labels(tokens: Sequence[Sequence[str]] | None, item: int, count: int) -> list[str]:
    """Position and token, "3 cat": what stands at the axis, different for every cell."""
    if tokens is None or len(tokens[item]) != count:
        return [str(position) for position in range(count)]
    return [
        str(i) if token == str(i) else f"{i} {visible(token)}"
        for i, token in enumerate(tokens[item])
    ]


def _whole(tokens: Sequence[Sequence[str]] | None, item: int) -> list[str] | None:
    if tokens is None:
        return None
    return [visible(token, LONGEST_TOKEN) for token in tokens[item]]


def _literal(text: str) -> str:
    """Text that Plotly, which knows some tags and entities, will show as it is."""
    return escape(clean(text), quote=False)
