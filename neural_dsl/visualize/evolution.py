"""How attention came about: heads × steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neural_dsl.attention.expected import expected_mass
from neural_dsl.visualize.grid import Grid
from neural_dsl.visualize.matrix import make_panel
from neural_dsl.visualize.pictures import picture
from neural_dsl.visualize.style import Kind
from neural_dsl.visualize.views import EXPECTED, Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_COLUMNS = 8


@picture("evolution_heads_{layer}.{form}")
def evolution_figure(
    training: Training, layer: str, scale: Kind | None = None
) -> Figure:
    """The heads of an attention, one a row, at up to eight of the steps."""
    chosen = training.spread(MOST_COLUMNS)
    layers = [moment.record[layer] for moment in chosen]
    heads = range(layers[0].num_heads)
    titles = [f"head {head}" for head in heads]
    before, after = expected_mass(layers[0]), expected_mass(layers[-1])
    if not np.isnan(after).all():
        for head, title in enumerate(titles):
            mass = f"{EXPECTED} {before[head]:.2f} → {after[head]:.2f}"
            titles[head] = f"{title}: {mass}"
    return Grid(
        [
            make_panel(one, head, title="" if head else f"step {moment.step:,}")
            for head in heads
            for moment, one in zip(chosen, layers, strict=True)
        ],
        columns=len(chosen),
        # At least wide enough for every token of a sequence of 20.
        side=max(min(13.5 * max(layers[0].shape[2:]), 270.0), 1500 / len(chosen)),
        title=f"Attention heads of {layer} as training went on",
        notes=[training.note],
        title_size=7.5,
        scale=scale,
        shared=True,
        row_titles=titles,
    ).draw()
