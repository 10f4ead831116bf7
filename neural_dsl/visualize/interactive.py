"""The interactive page: choose a layer and a head, point at a cell, zoom.

One HTML file that needs no network. Each matrix is stored once, as 16-bit numbers,
compressed, and is unpacked by the browser when it is chosen: twelve layers of twelve
heads at 64 tokens add about 1 MB to Plotly's own 5 MB, and the page holds one trace at a
time, however many heads there are.

Tokens are text of unknown origin: in the page they are data in an escaped JSON block.
Positions, not tokens, are the coordinates, so equal tokens never share a cell.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

from neural_dsl.attention.metrics import METRICS
from neural_dsl.attention.record import LayerAttention, Tokens
from neural_dsl.attention.storage import analyse
from neural_dsl.visualize import style
from neural_dsl.visualize.labels import visible
from neural_dsl.visualize.markup import FONT, clean, page, script_json
from neural_dsl.visualize.pictures import picture
from neural_dsl.visualize.scale import (
    Facts,
    Scale,
    facts_of,
    scale_from,
    together,
    whole_scale,
)
from neural_dsl.visualize.style import KINDS, TITLES, Kind
from neural_dsl.visualize.views import EXPECTED, Shown, notes_of, views_of

FULL_WEIGHT = 65535  # for a weight of 1, so that a weight is off by 7.6e-6 at most
LONGEST_TOKEN = 200  # what the page keeps of a token beyond its label


@picture("attention_interactive.html")
def attention_page(
    shown: Shown,
    batch_item: int = 0,
    caption: str = "",
    head: int | None = None,
    scale: Kind | None = None,
) -> str:
    """The whole page as HTML, the same text for the same record.

    It opens on `head`, or on the average of all; `scale` is the kind of scale it opens
    with, by default the one that the weights choose. Pictures show one batch item of a
    record, metrics cover the batch; of several views the page shows one at a time.
    Raises NeuralError NE133 for a batch item that the record does not have.
    """
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    views = views_of(shown, batch_item, caption)
    notes = notes_of(views)
    entries, stored, facts = zip(
        *(
            _attention(layer, known["heads"], number, view.item)
            for number, view in enumerate(views)
            for layer, known in zip(view.record, analyse(view.record), strict=True)
        ),
        strict=True,
    )
    first = scale_from(together(facts), scale)
    models = dict.fromkeys(view.record.provenance.model for view in views)
    expected = any(one.expected is not None for view in views for one in view.record)
    data = {
        "batch": views[0].record[0].shape[0],
        "layers": entries,
        "head": head,
        "chosen": {"kind": first.kind, "why": first.why},
        **_look(),
    }
    return page(
        "attention",
        title=clean(f"Attention of {' and '.join(models)}"),
        notes=[clean(note) for note in notes],
        views=[clean(view.caption) for view in views],
        layers=stored,
        metrics=METRICS.values(),
        expected_title=EXPECTED if expected else "",
        scales=[(name, TITLES[name], name == first.kind) for name in KINDS],
        plotly=Markup(get_plotlyjs()),
        record=Markup(script_json(data)),
    )


def _attention(
    layer: LayerAttention, metrics: list[dict[str, Any]], view: int, item: int
) -> tuple[dict[str, Any], dict[str, Any], Facts]:
    """What the script reads of an attention, what it unpacks (the average first, then
    each head), and what a scale depends on."""
    heads = (None, *range(layer.num_heads))
    weights = [layer.tile(item, one) for one in heads]
    allowed = [layer.allowed.tile(item, one) for one in heads]
    each = [facts_of(*pair) for pair in zip(weights, allowed, strict=True)]
    facts = together(each)
    if layer.allowed.heads == 1:  # all share one mask
        del allowed[1:]
    ranges = {  # that of the layer, one without any end, that of each matrix
        kind: {
            "layer": _plain(scale_from(facts, kind)),
            "whole": _plain(whole_scale(facts, kind)),
            "view": [_plain(scale_from(one, kind)) for one in each],
        }
        for kind in KINDS
    }
    entry = {
        "view": view,
        **_layer(layer, metrics, item),
        "counts": [mask.sum(-1).tolist() for mask in allowed],
        "ranges": ranges,
    }
    # A mask that only its cells can say; the script knows the rules.
    dense = allowed if layer.allowed.dense is not None else []
    stored = {
        "name": clean(layer.name),
        "matrices": [
            _packed(np.rint(np.clip(one, 0, 1) * FULL_WEIGHT), "<u2") for one in weights
        ],
        "masks": [_packed(mask, "u1") for mask in dense],
    }
    return entry, stored, facts


def _layer(
    layer: LayerAttention, heads: list[dict[str, Any]], item: int
) -> dict[str, Any]:
    """What the script reads of an attention, but for its matrices and their scales."""
    queries, keys = layer.query_tokens, layer.key_tokens
    rule, expected = layer.allowed.item(item), layer.expected
    masks = [
        None if mask is None else mask[item].astype(int).tolist()
        for mask in (layer.query_mask, layer.key_mask)
    ]
    return {
        "name": layer.name,
        "queries": layer.shape[2],
        "keys": layer.shape[3],
        "heads": heads,
        "tokens": queries is not None or keys is not None,
        "query_labels": position_labels(queries, item, layer.shape[2]),
        "key_labels": position_labels(keys, item, layer.shape[3]),
        "query_tokens": queries and [visible(t, LONGEST_TOKEN) for t in queries[item]],
        "key_tokens": keys and [visible(t, LONGEST_TOKEN) for t in keys[item]],
        "query_mask": masks[0],
        "key_mask": masks[1],
        "expected": None if expected is None else np.argwhere(expected[item]).tolist(),
        "rule": {"causal": rule.causal, "offset": rule.offset, "window": rule.window},
    }


def position_labels(tokens: Tokens | None, item: int, count: int) -> list[str]:
    """Position and token, "3 cat": what stands at the axis, different for every cell."""
    if tokens is None or len(tokens[item]) != count:
        return [str(position) for position in range(count)]
    return [
        str(i) if token == str(i) else f"{i} {visible(token)}"
        for i, token in enumerate(tokens[item])
    ]


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


def _look() -> dict[str, Any]:
    """The colours and the type that pictures have too."""
    return {
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


def _packed(numbers: np.ndarray[Any, Any], kind: str) -> str:
    """Base64 of zlib."""
    packed = zlib.compress(numbers.astype(kind).tobytes(), 6)
    return base64.b64encode(packed).decode("ascii")
