"""The heatmap: heads averaged, or the chosen heads, of every layer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from math import ceil, sqrt
from typing import TYPE_CHECKING, TypeAlias

from neural_dsl.attention.record import LayerAttention
from neural_dsl.visualize.grid import Grid, side_for
from neural_dsl.visualize.matrix import Panel, make_panel
from neural_dsl.visualize.pictures import picture
from neural_dsl.visualize.style import Kind
from neural_dsl.visualize.views import Shown, View, chosen_layers, notes_of, views_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows: TypeAlias = list[tuple[int | None, list[LayerAttention | None]]]
"""A head, and the attention of each view that has it."""


@picture("attention_heatmap.{form}")
def attention_heatmap(
    shown: Shown,
    layers: Sequence[str] | None = None,
    heads: Sequence[int] | None = None,
    batch_item: int = 0,
    caption: str = "",
    scale: Kind | None = None,
) -> Figure:
    """A Matplotlib figure of the attention of one batch item of a record, or of views.

    `layers` are attention names (None: all of the record). `heads` None averages the
    heads of each layer; else every layer that has such a head gets a panel for it. Rows
    are queries, columns keys; all panels share one scale of the kind `scale`, which by
    default the weights choose (see `visualize.scale`). `caption` stands below the title.

    Several views have a column each, in which attentions are matched by their order, so
    models of different depth leave places free. Raises ValueError for a layer or head
    that a record does not have, and NeuralError NE133 for such a batch item.
    """
    views = views_of(shown, batch_item, caption)
    rows: Rows = []
    for found in zip_longest(*(chosen_layers(view.record, layers) for view in views)):
        for head in [None] if heads is None else heads:
            row = [
                one if one and 0 <= (head or 0) < one.num_heads else None
                for one in found
            ]
            if any(row):
                rows.append((head, row))
    if not rows:
        raise ValueError(f"no layer has any of the heads {[*(heads or ())]}")
    return (_alone if len(views) == 1 else _side_by_side)(views, rows, scale)


def _alone(views: Sequence[View], rows: Rows, scale: Kind | None) -> Figure:
    pairs = [(one, head) for head, (one,) in rows if one is not None]
    notes = notes_of(views, [one for one, _ in pairs])
    words = [_words(one.num_heads, head) for one, head in pairs]
    same, alone = len(set(words)) == 1, len(pairs) == 1
    panels: list[Panel | None] = []
    for (one, head), which in zip(pairs, words, strict=True):
        title = one.name if same else f"{one.name} · {which}"
        panels.append(make_panel(one, head, views[0].item, "" if alone else title))
    count = len(panels)
    columns = count if count <= 3 else 2 if count == 4 else ceil(sqrt(1.2 * count))
    return Grid(
        panels,
        columns=columns,
        side=side_for(columns, (900, 720, 560), 2000, 140),
        title="Attention" + f" of {pairs[0][0].name}" * alone + f", {words[0]}" * same,
        notes=notes,
        title_size=8.5 if columns < 5 else 6.5,
        scale=scale,
    ).draw()


def _words(heads: int, head: int | None) -> str:
    if head is not None:
        return f"head {head}"
    return "its only head" if heads == 1 else f"mean of {heads} heads"


def _side_by_side(views: Sequence[View], rows: Rows, scale: Kind | None) -> Figure:
    notes, columns = notes_of(views), len(views)
    panels: list[Panel | None] = []
    titles: list[str] = []
    for head, row in rows:
        names = " / ".join(sorted({one.name for one in row if one}))
        which = "mean of all heads" if head is None else f"head {head}"
        captions = [view.caption if not titles else "" for view in views]
        titles.append(f"{names}, {which}")
        panels += [
            make_panel(one, head, view.item, caption) if one else None
            for one, view, caption in zip(row, views, captions, strict=True)
        ]
    return Grid(
        panels,
        columns=columns,
        side=side_for(columns, (900, 620, 520), 1700, 220),
        title="Attention, side by side",
        notes=notes,
        title_size=8.5 if columns < 5 else 6.5,
        scale=scale,
        row_titles=titles,
        even_cells=True,
    ).draw()
