"""How attention came about: heads × steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neural_dsl.attention.expected import expected_mass
from neural_dsl.visualize.grid import draw_panels
from neural_dsl.visualize.moments import EXPECTED, Moment, notes, spread
from neural_dsl.visualize.panels import make_panel
from neural_dsl.visualize.scale import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_COLUMNS = 8


def evolution_figure(
    moments: Sequence[Moment],
    layer: str,
    run: str,
    item: int = 0,
    scale: Kind | None = None,
) -> Figure:
    """The heads of an attention, one a row, at up to eight of the steps.

    All share one scale of the kind `scale`, which by default the weights choose. `run` is
    what provenance says.
    """
    chosen = spread(moments, MOST_COLUMNS)
    layers = [moment.record[layer] for moment in chosen]
    heads = layers[0].num_heads
    panels = [
        make_panel(one, head, item, f"step {moment.step:,}" if head == 0 else "")
        for head in range(heads)
        for moment, one in zip(chosen, layers, strict=True)
    ]
    before, after = (expected_mass(moments[i].record[layer]) for i in (0, -1))
    titles = [f"head {head}" for head in range(heads)]
    if not np.isnan(after).all():
        titles = [
            f"{title}: {EXPECTED} {before[head]:.2f} → {after[head]:.2f}"
            for head, title in enumerate(titles)
        ]
    return draw_panels(
        panels,
        columns=len(chosen),
        # At least wide enough for every token of a sequence of 20.
        side=max(min(13.5 * max(layers[0].shape[2:]), 270.0), 1500 / len(chosen)),
        title=f"Attention heads of {layer} as training went on",
        notes=notes(moments, run, item),
        title_size=7.5,
        shared=True,
        scale=scale,
        row_titles=titles,
    )
