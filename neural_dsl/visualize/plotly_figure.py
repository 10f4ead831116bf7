"""One matrix as a Plotly figure, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from neural_dsl.attention.items import check_batch_item
from neural_dsl.attention.record import AttentionRecord
from neural_dsl.visualize import style
from neural_dsl.visualize.labels import visible
from neural_dsl.visualize.markup import FONT, clean
from neural_dsl.visualize.scale import Kind, scale_of
from neural_dsl.visualize.views import chosen_layers

if TYPE_CHECKING:
    import plotly.graph_objects as go


def attention_figure(
    record: AttentionRecord,
    layer: str | None = None,
    head: int | None = None,
    batch_item: int = 0,
    scale: Kind | None = None,
) -> go.Figure:
    """A Plotly figure of one matrix, with the exact weights (in `customdata`; z holds
    their heights on the scale).

    `layer` is an attention name (None: the first), `head` None averages the heads; the
    weights choose the `scale` unless one is named.
    Raises ValueError for a layer or head that the record does not have, and
    NeuralError NE133 for such a batch item.
    """
    import plotly.graph_objects as go

    one = chosen_layers(record, None if layer is None else [layer])[0]
    batch, heads, queries, keys = one.shape
    check_batch_item(batch_item, batch)
    if head is not None and not 0 <= head < heads:
        raise ValueError(f"no head {head}: {one.name} has {heads}")
    weights = one.tile(batch_item, head)
    allowed = one.allowed.tile(batch_item, head)
    cells: dict[str, Any] = {
        "x": [
            literal(each) for each in position_labels(one.key_tokens, batch_item, keys)
        ],
        "y": [
            literal(each)
            for each in position_labels(one.query_tokens, batch_item, queries)
        ],
        "hoverongaps": False,
    }
    place = "query %{y}<br>key %{x}<br>"
    colors = scale_of([(weights, allowed)], scale)
    low, high = colors.ends
    heights = colors.height(colors.values(weights, allowed))
    places, labels = zip(*colors.ticks(), strict=True)
    figure = go.Figure(
        go.Heatmap(
            **cells,
            z=np.where(allowed, heights, np.nan),
            customdata=weights,
            zmin=low,
            zmax=high,
            colorscale=style.plotly_colorscale(colors.diverging),
            colorbar={
                "title": {"text": colors.bar_label, "side": "right"},
                "tickvals": places,
                "ticktext": labels,
            },
            hovertemplate=place + "weight %{customdata:.4f}<extra></extra>",
        )
    )
    if not allowed.all():
        figure.add_heatmap(
            **cells,
            z=np.where(allowed, np.nan, 1.0),
            showscale=False,
            colorscale=[[0, style.MASKED], [1, style.MASKED]],
            hovertemplate=place + "masked<extra></extra>",
        )
    shown = f"mean of {heads} heads" if head is None else f"head {head}"
    title = f"{literal(one.name)}, {shown}"
    note = f"<br><sup>{literal(record.line([one]))}; {colors.note}</sup>"
    axis = {"type": "category", "showgrid": False, "automargin": True}
    figure.update_layout(
        template="none",
        title={"text": title + note},
        font={"family": FONT, "color": style.INK},
        xaxis={**axis, "title": {"text": style.KEY_LABEL}},
        yaxis={**axis, "title": {"text": style.QUERY_LABEL}, "autorange": "reversed"},
    )
    return figure


def position_labels(
    tokens: Sequence[Sequence[str]] | None, item: int, count: int
) -> list[str]:
    """Position and token, "3 cat": what stands at the axis, different for every cell."""
    if tokens is None or len(tokens[item]) != count:
        return [str(position) for position in range(count)]
    return [
        str(i) if token == str(i) else f"{i} {visible(token)}"
        for i, token in enumerate(tokens[item])
    ]


def literal(text: str) -> str:
    """Text that Plotly, which knows some tags and entities, will show as it is."""
    return escape(clean(text), quote=False)
