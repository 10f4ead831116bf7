"""How attention came about, as an animation."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from neural_dsl.visualize import style
from neural_dsl.visualize.grid import Grid, scale_of_panels
from neural_dsl.visualize.matrix import make_panel
from neural_dsl.visualize.pictures import picture
from neural_dsl.visualize.style import Kind
from neural_dsl.visualize.views import Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Colors: TypeAlias = npt.NDArray[np.int64]

FRAME_TIME, LAST_FRAME_TIME = 450, 2500  # milliseconds


@picture("evolution.gif")
def evolution_gif(training: Training, scale: Kind | None = None) -> bytes:
    """An animation: every head of every attention, a frame for each step, one scale."""
    columns = max(one.num_heads for one in training.moments[0].record)
    panels = [
        [
            make_panel(one, head, title=f"head {head}")
            if head < one.num_heads
            else None
            for one in moment.record  # a row for each attention
            for head in range(columns)
        ]
        for moment in training.moments
    ]
    shared = scale_of_panels(chain.from_iterable(panels), scale)
    pages = []
    for moment, matrices in zip(training.moments, panels, strict=True):
        measured = f" · {moment.measured}" if moment.measured else ""
        frame = Grid(
            matrices,
            columns=columns,
            side=max(110.0, min(300.0, 1100 / columns)),
            title=f"Attention at step {moment.step:,}",
            notes=[training.note, f"step {moment.step:,}{measured}"],
            title_size=6.5,
            scale=shared,
            shared=len({one.shape for one in moment.record}) == 1,
            row_titles=[one.name for one in moment.record],
        )
        pages.append(pixels(frame.draw()))
    return _animated(pages, gif_palette(shared.diverging))


def _animated(pages: Sequence[Colors], palette: Colors) -> bytes:
    """The pages one after another, the last for longer: in the colours of one palette, or
    those of still cells would flicker."""
    from PIL import Image

    height, width = (max(page.shape[axis] for page in pages) for axis in (0, 1))
    indexed = []
    for page in pages:
        margins = ((0, height - page.shape[0]), (0, width - page.shape[1]), (0, 0))
        image = Image.fromarray(nearest(np.pad(page, margins, "edge"), palette), "P")
        image.putpalette(palette.astype(np.uint8).tobytes())
        indexed.append(image)
    buffer = io.BytesIO()
    indexed[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=indexed[1:],
        duration=[*[FRAME_TIME] * (len(indexed) - 1), LAST_FRAME_TIME],
        loop=0,
        disposal=1,
        optimize=False,
    )
    return buffer.getvalue()


def pixels(figure: Figure) -> Colors:
    """A drawn figure as (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    with style.settings():
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(np.int64)


def nearest(page: Colors, palette: Colors) -> npt.NDArray[np.uint8]:
    """For each pixel (height, width, 3) the closest colour of the palette (count, 3).

    Pillow's own search is coarse: it would tint the white of the page.
    """
    packed = page @ np.array([1 << 16, 1 << 8, 1])
    colors, places = np.unique(packed, return_inverse=True)
    parts = colors[:, None] >> np.array([16, 8, 0]) & 255
    distance = ((parts[:, None] - palette) ** 2).sum(-1)
    closest = distance.argmin(-1).astype(np.uint8)
    return np.asarray(closest[places].reshape(packed.shape))


def gif_palette(diverging: bool = False) -> Colors:
    """The colours of the pictures (at most 256, 3): the scale of the weights, and what
    text, outlines and hatches are drawn with, with the tones between them."""
    from matplotlib.colors import to_rgb

    scale = np.array(style.attention_colormap(diverging)(np.linspace(0, 1, 150)))[:, :3]
    found = [scale]
    for first, second, count in (
        ("#ffffff", style.INK, 40),
        ("#ffffff", style.QUIET, 16),
        (style.EXPECTED_CASING, style.EXPECTED, 16),
        (style.EXPECTED, style.INK, 8),
        (style.MASKED, style.MASKED_HATCH, 12),
        (style.MASKED_HATCH, style.FRAME, 4),
        ("#ffffff", style.PADDED, 6),
    ):
        one, other = np.array(to_rgb(first)), np.array(to_rgb(second))
        found.append(one + (other - one) * np.linspace(0, 1, count)[:, None])
    return np.asarray(np.rint(255 * np.concatenate(found)).astype(np.int64))
