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
from typing import Any

import numpy as np

from neural_dsl.attention.analysis import analyse
from neural_dsl.attention.metrics import METRICS
from neural_dsl.attention.record import AttentionRecord, LayerAttention
from neural_dsl.visualize import style
from neural_dsl.visualize.labels import visible
from neural_dsl.visualize.markup import FONT, clean, page, script_json
from neural_dsl.visualize.moments import EXPECTED
from neural_dsl.visualize.plotly_figure import position_labels
from neural_dsl.visualize.scale import (
    KINDS,
    TITLES,
    Facts,
    Kind,
    Scale,
    facts_of,
    scale_from,
    together,
    whole_scale,
)
from neural_dsl.visualize.views import View, provenance_notes, record_notes

FULL_WEIGHT = 65535
LONGEST_TOKEN = 200
"""What the page keeps of a token beyond its label, in characters."""


def attention_page(
    record: AttentionRecord,
    batch_item: int = 0,
    caption: str = "",
    head: int | None = None,
    scale: Kind | None = None,
) -> str:
    """The whole page as HTML, the same text for the same record.

    It opens on `head`, or on the average of all; `scale` is the kind of scale it opens
    with, by default the one that the weights choose. Pictures show one batch item;
    metrics cover the batch. Raises NeuralError NE133 for a batch item that the record
    does not have.
    """
    notes = record_notes(record, record.layers, batch_item, caption)
    return _page([View(caption, record)], notes, batch_item, head, scale)


def comparison_page(
    views: Sequence[View], head: int | None = None, scale: Kind | None = None
) -> str:
    """A page that changes between views, each of one sequence, at the same head."""
    return _page(views, provenance_notes(views), 0, head, scale)


def _page(
    views: Sequence[View],
    notes: Sequence[str],
    item: int,
    head: int | None,
    kind: Kind | None,
) -> str:
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    layers = [layer for view in views for layer in view.record.layers]
    pages = [
        {"view": number} | _layer(layer, entry["heads"], item)
        for number, view in enumerate(views)
        for layer, entry in zip(view.record.layers, analyse(view.record), strict=True)
    ]
    facts = []
    for entry, layer in zip(pages, layers, strict=True):
        each = [
            facts_of(layer.tile(item, head), layer.allowed.tile(item, head))
            for head in _average_and_heads(layer)
        ]
        facts.append(together(each))
        entry["ranges"] = _ranges(each, facts[-1])
    first = scale_from(together(facts), kind)
    models = dict.fromkeys(view.record.provenance.model for view in views)
    expected = any(layer.expected is not None for layer in layers)
    data = _page_data(pages, len(layers[0].weights), head, first)
    return page(
        "attention",
        title=clean(f"Attention of {' and '.join(models)}"),
        notes=[clean(note) for note in notes],
        views=[clean(view.caption) for view in views],
        layers=[
            {
                "name": clean(layer.name),
                "matrices": _matrices(layer, item),
                "masks": _masks(layer, item),
            }
            for layer in layers
        ],
        metrics=METRICS.values(),
        expected_title=EXPECTED if expected else "",
        scales=[(name, TITLES[name], name == first.kind) for name in KINDS],
        plotly=Markup(get_plotlyjs()),
        record=Markup(script_json(data)),
    )


def _page_data(
    layers: list[dict[str, Any]], batch: int, head: int | None, first: Scale
) -> dict[str, Any]:
    """What the script reads: the look, and every layer but for its matrices."""
    return {
        "batch": batch,
        "layers": layers,
        "head": head,
        "chosen": {"kind": first.kind, "why": first.why},
        "colors": style.plotly_colorscale(),
        "diverging_colors": style.plotly_colorscale(diverging=True),
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
    rule = layer.allowed.item(item)
    tokens = layer.query_tokens is not None or layer.key_tokens is not None
    return {
        "name": layer.name,
        "queries": queries,
        "keys": keys,
        "heads": heads,
        "tokens": tokens,
        "query_labels": position_labels(layer.query_tokens, item, queries),
        "key_labels": position_labels(layer.key_tokens, item, keys),
        "query_tokens": _whole(layer.query_tokens, item),
        "key_tokens": _whole(layer.key_tokens, item),
        "query_mask": _mask(layer.query_mask, item),
        "key_mask": _mask(layer.key_mask, item),
        "expected": None
        if layer.expected is None
        else np.argwhere(layer.expected[item]).tolist(),
        "rule": {"causal": rule.causal, "offset": rule.offset, "window": rule.window},
        "counts": [
            layer.allowed.tile(item, head).sum(-1).tolist()
            for head in _differing(layer)
        ],
    }


def _mask(mask: np.ndarray[Any, Any] | None, item: int) -> list[int] | None:
    return None if mask is None else mask[item].astype(int).tolist()


def _ranges(each: Sequence[Facts], layer: Facts) -> dict[str, dict[str, Any]]:
    """By kind, the scales that the page changes between: that of the layer, that of each
    of its matrices, and the one without anything out of range."""
    return {
        kind: {
            "layer": _plain(scale_from(layer, kind)),
            "whole": _plain(whole_scale(layer, kind)),
            "view": [_plain(scale_from(one, kind)) for one in each],
        }
        for kind in KINDS
    }


def _plain(scale: Scale) -> dict[str, Any]:
    """A scale as the script takes it: the smallest value with a colour of its own, the
    heights of both ends, the ticks, and what to say of it."""
    return {
        "bottom": float(f"{scale.bottom:.6g}"),
        "ends": [round(end, 7) for end in scale.ends],
        "ticks": [round(place, 7) for place, _ in scale.ticks()],
        "labels": [label for _, label in scale.ticks()],
        "title": scale.bar_label,
        "note": scale.note,
    }


def _matrices(layer: LayerAttention, item: int) -> list[str]:
    """The mean of the heads, then every head: base64 of zlib of 16-bit numbers.

    65535 stands for a weight of 1, so a weight is off by 7.6e-6 at most.
    """
    heads = _average_and_heads(layer)
    return [_packed(layer.tile(item, head)) for head in heads]


def _masks(layer: LayerAttention, item: int) -> list[str]:
    """A mask that only its cells can say: a byte each, packed as the matrices are, once
    or for the average and each head; else nothing, as the script knows the rules."""
    if layer.allowed.dense is None:
        return []
    cells = (layer.allowed.tile(item, head) for head in _differing(layer))
    return [_bytes(one.astype(np.uint8).tobytes()) for one in cells]


def _differing(layer: LayerAttention) -> tuple[int | None, ...]:
    """The average and every head, or the average alone where all share one mask."""
    return (None,) if layer.allowed.heads == 1 else _average_and_heads(layer)


def _average_and_heads(layer: LayerAttention) -> tuple[int | None, ...]:
    return (None, *range(layer.num_heads))


def _packed(matrix: np.ndarray[Any, np.dtype[Any]]) -> str:
    scaled = np.rint(np.clip(matrix, 0, 1) * float(FULL_WEIGHT)).astype("<u2")
    return _bytes(scaled.tobytes())


def _bytes(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 6)).decode("ascii")


def _whole(tokens: Sequence[Sequence[str]] | None, item: int) -> list[str] | None:
    if tokens is None:
        return None
    return [visible(token, LONGEST_TOKEN) for token in tokens[item]]
