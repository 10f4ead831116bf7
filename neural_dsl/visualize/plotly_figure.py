"""One matrix as a Plotly figure, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from neural_dsl.attention.items import check_batch_item
from neural_dsl.attention.record import AttentionRecord
from neural_dsl.visualize import style
from neural_dsl.visualize.labels import visible
from neural_dsl.visualize.markup import FONT, clean
from neural_dsl.visualize.scale import Kind, scale_of

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
    x = [literal(label) for label in position_labels(one.key_tokens, batch_item, keys)]
    y = [
        literal(label)
        for label in position_labels(one.query_tokens, batch_item, queries)
    ]
    place = "query %{y}<br>key %{x}<br>"
    chosen_scale = scale_of([(weights, allowed)], scale)
    low, high = chosen_scale.ends
    heights = chosen_scale.height(chosen_scale.values(weights, allowed))
    traces = [
        go.Heatmap(
            x=x,
            y=y,
            z=np.where(allowed, heights, np.nan),
            customdata=weights,
            zmin=low,
            zmax=high,
            colorscale=style.plotly_colorscale(chosen_scale.diverging),
            colorbar={
                "title": {"text": chosen_scale.bar_label, "side": "right"},
                "tickvals": [place for place, _ in chosen_scale.ticks()],
                "ticktext": [label for _, label in chosen_scale.ticks()],
            },
            hoverongaps=False,
            hovertemplate=place + "weight %{customdata:.4f}<extra></extra>",
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
    title = f"{literal(one.name)}, {shown}"
    note = f"<br><sup>{literal(record.line([one]))}; {chosen_scale.note}</sup>"
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
