"""The head grid: every head of one layer, side by side on one scale."""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING

from neural_dsl.attention.record import AttentionRecord
from neural_dsl.visualize.grid import draw_panels, side_for
from neural_dsl.visualize.panels import make_panel
from neural_dsl.visualize.scale import Kind
from neural_dsl.visualize.views import chosen_layers, record_notes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def head_grid(
    record: AttentionRecord,
    layer: str,
    batch_item: int = 0,
    caption: str = "",
    scale: Kind | None = None,
) -> Figure:
    """A Matplotlib figure with every head of the attention called `layer`.

    Rows are queries, columns keys; all heads share one scale of the kind `scale`, which
    by default the weights choose (see `visualize.scale`). Only the outer panels are
    labelled: the axes are all the same. `caption` stands below the title.

    Raises ValueError for a layer that the record does not have, and NeuralError NE133
    for such a batch item.
    """
    (found,) = chosen_layers(record, [layer])
    notes = record_notes(record, [found], batch_item, caption)
    heads = range(found.num_heads)
    columns = grid_columns(found.num_heads)
    return draw_panels(
        [make_panel(found, head, batch_item, f"head {head}") for head in heads],
        columns=columns,
        side=side_for(columns, (900, 520, 420, 350), 1600, 130),
        title=f"Attention heads of {found.name}",
        notes=notes,
        title_size=7.5 if columns < 5 else 6.0,
        shared=True,
        scale=scale,
    )


def grid_columns(count: int) -> int:
    """How many panels stand in a row: the most square grid without holes, if there is one
    at most twice as wide as high."""
    if count == 3:
        return 3
    for columns in range(ceil(sqrt(count)), int(sqrt(2 * count)) + 1):
        if count % columns == 0:
            return columns
    return ceil(sqrt(count))
