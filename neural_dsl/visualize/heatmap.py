"""The heatmap: heads averaged, or the chosen heads; one panel a layer."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import TYPE_CHECKING

from neural_dsl.attention.record import AttentionRecord
from neural_dsl.visualize.grid import draw_panels, side_for
from neural_dsl.visualize.panels import make_panel
from neural_dsl.visualize.scale import Kind
from neural_dsl.visualize.views import chosen_layers, record_notes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def attention_heatmap(
    record: AttentionRecord,
    layers: Sequence[str] | None = None,
    heads: Sequence[int] | None = None,
    batch_item: int = 0,
    caption: str = "",
    scale: Kind | None = None,
) -> Figure:
    """A Matplotlib figure of the attention of one batch item.

    `layers` are attention names (None: all of the record). `heads` None averages the
    heads of each layer; else every layer that has such a head gets a panel for it. Rows
    are queries, columns keys; all panels share one scale of the kind `scale`, which by
    default the weights choose (see `visualize.scale`). `caption` stands below the title.

    Raises ValueError for a layer or head that the record does not have, and
    NeuralError NE133 for such a batch item.
    """
    chosen = chosen_layers(record, layers)
    wanted: list[int | None] = [None] if heads is None else [*heads]
    pairs = [
        (one, head, _mean(one.num_heads) if head is None else f"head {head}")
        for one in chosen
        for head in wanted
        if head is None or 0 <= head < one.num_heads
    ]
    if not pairs:
        raise ValueError(f"no layer has any of the heads {wanted}")
    notes = record_notes(record, [one for one, _, _ in pairs], batch_item, caption)
    alone = len(pairs) == 1
    same = {what for _, _, what in pairs}
    panels = []
    for one, head, what in pairs:
        title = one.name if len(same) == 1 else f"{one.name} · {what}"
        panels.append(make_panel(one, head, batch_item, "" if alone else title))
    title = "Attention"
    title += f" of {pairs[0][0].name}" if alone else ""
    title += f", {same.pop()}" if len(same) == 1 else ""
    columns = _columns(len(panels))
    return draw_panels(
        panels,
        columns=columns,
        side=side_for(columns, (900, 720, 560), 2000, 140),
        title=title,
        notes=notes,
        title_size=8.5 if columns < 5 else 6.5,
        shared=False,
        scale=scale,
    )


def _columns(count: int) -> int:
    return count if count <= 3 else 2 if count == 4 else ceil(sqrt(1.2 * count))


def _mean(heads: int) -> str:
    return "its only head" if heads == 1 else f"mean of {heads} heads"
