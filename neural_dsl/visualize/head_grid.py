"""The head grid: every head of one layer, side by side on one scale."""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING

from neural_dsl.attention.items import check_batch_item
from neural_dsl.attention.record import AttentionRecord
from neural_dsl.visualize.grid import draw_panels
from neural_dsl.visualize.panels import make_panel
from neural_dsl.visualize.scale import Kind

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

    Rows are queries, columns keys; all heads share one scale of the kind `scale`,
    which by default the weights choose (see `visualize.scale`). Only the outer panels are labelled: the axes are all the same.
    `caption` stands below the title.

    Raises ValueError for a layer that the record does not have, and NeuralError NE133
    for such a batch item.
    """
    found = next((one for one in record.layers if one.name == layer), None)
    if found is None:
        known = ", ".join(one.name for one in record.layers) or "none"
        raise ValueError(f"no attention {layer}; known: {known}")
    batch, heads, _, _ = found.shape
    check_batch_item(batch_item, batch)
    notes = [*([caption] if caption else []), record.line([found])]
    if batch > 1:
        notes.append(f"batch item {batch_item} of a batch of {batch}")
    columns = grid_columns(heads)
    side = {1: 900.0, 2: 520.0, 3: 420.0, 4: 350.0}.get(
        columns, max(130.0, 1600 / columns)
    )
    return draw_panels(
        [make_panel(found, head, batch_item, f"head {head}") for head in range(heads)],
        columns=columns,
        side=side,
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
