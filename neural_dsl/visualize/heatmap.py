"""The heatmap: heads averaged, or the chosen heads; one panel a layer."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import TYPE_CHECKING

from neural_dsl.attention.items import check_batch_item
from neural_dsl.attention.record import AttentionRecord, LayerAttention
from neural_dsl.visualize.grid import draw_panels
from neural_dsl.visualize.panels import make_panel
from neural_dsl.visualize.scale import Kind

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
    are queries, columns keys; all panels share one scale of the
    kind `scale`, which by default the weights choose (see `visualize.scale`). `caption`
    stands below the title.

    Raises ValueError for a layer or head that the record does not have, and
    NeuralError NE133 for such a batch item.
    """
    chosen = [one for one in record.layers if layers is None or one.name in layers]
    missing = set(layers or ()) - {one.name for one in chosen}
    if missing or not chosen:
        known = ", ".join(one.name for one in record.layers) or "none"
        raise ValueError(f"no attention {', '.join(sorted(missing))}; known: {known}")
    batch = chosen[0].shape[0]
    check_batch_item(batch_item, batch)
    pairs: list[tuple[LayerAttention, int | None, str]]
    if heads is None:
        pairs = [(one, None, _mean(one.num_heads)) for one in chosen]
    else:
        pairs = [
            (one, head, f"head {head}")
            for one in chosen
            for head in heads
            if 0 <= head < one.num_heads
        ]
        if not pairs:
            raise ValueError(f"no layer has any of the heads {list(heads)}")
    alone = len(pairs) == 1
    same = {what for _, _, what in pairs}
    panels = [
        make_panel(
            one,
            head,
            batch_item,
            "" if alone else one.name if len(same) == 1 else f"{one.name} · {what}",
        )
        for one, head, what in pairs
    ]
    title = "Attention"
    title += f" of {pairs[0][0].name}" if alone else ""
    title += f", {same.pop()}" if len(same) == 1 else ""
    notes = [*([caption] if caption else []), record.line(one for one, _, _ in pairs)]
    if batch > 1:
        notes.append(f"batch item {batch_item} of a batch of {batch}")
    columns = _columns(len(panels))
    side = {1: 900.0, 2: 720.0, 3: 560.0}.get(columns, max(140.0, 2000 / columns))
    return draw_panels(
        panels,
        columns=columns,
        side=side,
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
