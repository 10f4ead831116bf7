"""Several sequences, or several models, side by side on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from neural_dsl.attention.record import LayerAttention
from neural_dsl.visualize.grid import draw_panels
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
            row = [_panel(view, index, head) for view in views]
            if not any(row):
                continue
            first = not panels
            names = {v.record.layers[index].name for v in views if _has(v, index, head)}
            which = "mean of all heads" if head is None else f"head {head}"
            titles.append(f"{' / '.join(sorted(names))}, {which}")
            panels += [
                panel and _titled(panel, view.caption if first else "")
                for view, panel in zip(views, row, strict=True)
            ]
    return draw_panels(
        panels,
        columns=len(views),
        side={1: 900.0, 2: 620.0, 3: 520.0}.get(
            len(views), max(220.0, 1700 / len(views))
        ),
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
    having = [view for view in views if index < len(view.record.layers)]
    columns = max(view.record.layers[index].num_heads for view in having)
    panels = [
        panel and _titled(panel, f"head {head}")
        for view in having
        for head, panel in ((h, _panel(view, index, h)) for h in range(columns))
    ]
    names = {view.record.layers[index].name for view in having}
    return draw_panels(
        panels,
        columns=columns,
        side={1: 700.0, 2: 520.0, 3: 420.0, 4: 350.0}.get(
            columns, max(130.0, 1600 / columns)
        ),
        title=f"Attention heads of {' / '.join(sorted(names))}, side by side",
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


def _panel(view: View, index: int, head: int | None) -> Panel | None:
    if not _has(view, index, head):
        return None
    layer: LayerAttention = view.record.layers[index]
    return make_panel(layer, head, 0, "")


def _titled(panel: Panel, title: str) -> Panel:
    return replace(panel, matrix=replace(panel.matrix, title=title))
