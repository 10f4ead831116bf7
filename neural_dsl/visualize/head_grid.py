"""The head grid: every head of one layer, side by side on one scale."""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING

from neural_dsl.visualize.grid import Grid, side_for
from neural_dsl.visualize.matrix import make_panel
from neural_dsl.visualize.pictures import picture
from neural_dsl.visualize.style import Kind
from neural_dsl.visualize.views import (
    Shown,
    chosen_layers,
    deepest,
    notes_of,
    views_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@picture("attention_heads_{layer}.{form}")
def head_grid(
    shown: Shown,
    layer: str,
    batch_item: int = 0,
    caption: str = "",
    scale: Kind | None = None,
) -> Figure:
    """A Matplotlib figure with every head of the attention called `layer`, of one batch
    item of a record; of views, a row for each, matched by the order of attentions.

    Rows of a panel are queries, columns keys; all heads share one scale of the kind
    `scale`, which by default the weights choose (see `visualize.scale`). Only the outer
    panels of one record are labelled: their axes are all the same. `caption` stands
    below the title.

    Raises ValueError for a layer that no record has, and NeuralError NE133 for such a
    batch item.
    """
    views = views_of(shown, batch_item, caption)
    alone = len(views) == 1
    (wanted,) = chosen_layers(deepest(views), [layer])
    place = [one.name for one in deepest(views)].index(layer)
    having = [(view, view.record[place]) for view in views if place < len(view.record)]
    notes = notes_of(views, [wanted])
    most = max(one.num_heads for _, one in having)
    columns = grid_columns(most) if alone else most
    names = " / ".join(sorted({one.name for _, one in having}))
    return Grid(
        [
            make_panel(one, head, view.item, f"head {head}")
            if head < one.num_heads
            else None
            for view, one in having
            for head in range(most)
        ],
        columns=columns,
        side=side_for(columns, (900 if alone else 700, 520, 420, 350), 1600, 130),
        title=f"Attention heads of {names}{'' if alone else ', side by side'}",
        notes=notes,
        title_size=7.5 if columns < 5 else 6.0,
        scale=scale,
        shared=alone,
        row_titles=[] if alone else [view.caption for view, _ in having],
        even_cells=not alone,
    ).draw()


def grid_columns(count: int) -> int:
    """How many panels stand in a row: the most square grid without holes, if there is one
    at most twice as wide as high."""
    if count == 3:
        return 3
    for columns in range(ceil(sqrt(count)), int(sqrt(2 * count)) + 1):
        if count % columns == 0:
            return columns
    return ceil(sqrt(count))
