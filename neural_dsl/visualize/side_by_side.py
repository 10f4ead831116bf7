"""Several sequences, or several models, side by side on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neural_dsl.visualize.grid import draw_panels, side_for
from neural_dsl.visualize.panels import Panel, make_panel
from neural_dsl.visualize.scale import Kind
from neural_dsl.visualize.views import View, provenance_notes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def compare_heatmaps(
    views: Sequence[View], heads: Sequence[int] = (), scale: Kind | None = None
) -> Figure:
    """A column for each view, a row for each attention (and each of `heads`, if any).

    Without `heads`, the mean of all of an attention. Attentions are matched by their
    order, so models of different depth leave places free.
    """
    depth = max(len(view.record.layers) for view in views)
    chosen: list[int | None] = [*heads] or [None]
    panels: list[Panel | None] = []
    titles = []
    for index in range(depth):
        for head in chosen:
            having = [view for view in views if _has(view, index, head)]
            if having:
                which = "mean of all heads" if head is None else f"head {head}"
                titles.append(f"{_names(having, index)}, {which}")
                first = not panels
                panels += [
                    _panel(view, index, head, view.caption if first else "")
                    for view in views
                ]
    return draw_panels(
        panels,
        columns=len(views),
        side=side_for(len(views), (900, 620, 520), 1700, 220),
        title="Attention, side by side",
        notes=provenance_notes(views),
        title_size=8.5 if len(views) < 5 else 6.5,
        shared=False,
        scale=scale,
        row_titles=titles,
        even_cells=True,
    )


def compare_heads(
    views: Sequence[View], index: int, scale: Kind | None = None
) -> Figure:
    """A row for each view, a column for each head of the attention at `index`."""
    having = [view for view in views if _has(view, index, None)]
    columns = max(view.record.layers[index].num_heads for view in having)
    return draw_panels(
        [
            _panel(view, index, head, f"head {head}")
            for view in having
            for head in range(columns)
        ],
        columns=columns,
        side=side_for(columns, (700, 520, 420, 350), 1600, 130),
        title=f"Attention heads of {_names(having, index)}, side by side",
        notes=provenance_notes(views),
        title_size=7.5 if columns < 5 else 6.0,
        shared=False,
        scale=scale,
        row_titles=[view.caption for view in having],
        even_cells=True,
    )


def _has(view: View, index: int, head: int | None) -> bool:
    layers = view.record.layers
    return index < len(layers) and (head is None or head < layers[index].num_heads)


def _names(views: Sequence[View], index: int) -> str:
    return " / ".join(sorted({view.record.layers[index].name for view in views}))


def _panel(view: View, index: int, head: int | None, title: str) -> Panel | None:
    if not _has(view, index, head):
        return None
    return make_panel(view.record.layers[index], head, title=title)
