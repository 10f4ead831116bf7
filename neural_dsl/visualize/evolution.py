"""How attention came about: heads × steps, an animation, and metrics over the steps."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.expected import expected_mass
from neural_dsl.attention.metrics import METRICS
from neural_dsl.attention.record import AttentionRecord, LayerAttention
from neural_dsl.visualize import style
from neural_dsl.visualize.panels import Panel, draw_panels, make_panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Colors = npt.NDArray[np.int64]

MOST_COLUMNS = 8
FRAME_TIME, LAST_FRAME_TIME = 450, 2500  # milliseconds
EXPECTED = "mass on expected cells"
SHOWN_METRICS = ("normalized_entropy", "previous_token", "first_token")
MOST_NAMED = 16  # lines that get a name each; beyond, a layer has one colour
COLORS = ("#2c639a", "#d08a2e", "#4d9a5b", "#b0413e", "#7a5aa6", "#5f6675")


@dataclass(frozen=True)
class Moment:
    """The attention at one step, and what was measured then: loss, exact match."""

    step: int
    record: AttentionRecord
    measured: str = ""


def evolution_figure(
    moments: Sequence[Moment], layer: str, run: str, item: int = 0
) -> Figure:
    """The heads of an attention, one a row, at up to eight of the steps.

    One scale for all, from 0 to the largest weight. `run` is what provenance says.
    """
    chosen = spread(moments, MOST_COLUMNS)
    layers = [layer_of(moment, layer) for moment in chosen]
    heads = layers[0].num_heads
    panels = [
        make_panel(one, head, item, f"step {moment.step:,}" if head == 0 else "")
        for head in range(heads)
        for moment, one in zip(chosen, layers, strict=True)
    ]
    before, after = (expected_mass(layer_of(moments[i], layer)) for i in (0, -1))
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
        row_titles=titles,
    )


def evolution_gif(moments: Sequence[Moment], run: str, item: int = 0) -> bytes:
    """An animation: every head of every attention, a frame for each step."""
    from PIL import Image

    largest = max(
        float(one.weights[item].max()) for m in moments for one in m.record.layers
    )
    pages = [pixels(frame(one, moments, run, item, largest)) for one in moments]
    height, width = (max(page.shape[axis] for page in pages) for axis in (0, 1))
    # One palette for all frames, or the colours of still cells would flicker.
    palette = gif_palette()
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
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(np.int64)


def nearest(page: Colors, palette: Colors) -> npt.NDArray[np.uint8]:
    """For each pixel (height, width, 3) the closest colour of the palette (count, 3).

    Pillow's own search is coarse: it would tint the white of the page.
    """
    packed = page @ np.array([1 << 16, 1 << 8, 1])
    colors, places = np.unique(packed, return_inverse=True)
    parts = np.stack([colors >> 16, colors >> 8 & 255, colors & 255], axis=-1)
    distance = ((parts[:, None] - palette) ** 2).sum(-1)
    closest = distance.argmin(-1).astype(np.uint8)
    return np.asarray(closest[places].reshape(packed.shape))


def gif_palette() -> Colors:
    """The colours of the pictures (at most 256, 3): the scale of the weights, and what
    text, outlines and hatches are drawn with, with the tones between them."""
    from matplotlib.colors import to_rgb

    scale = np.array(style.attention_colormap()(np.linspace(0, 1, 150)))[:, :3]
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


def frame(
    moment: Moment, moments: Sequence[Moment], run: str, item: int, largest: float
) -> Figure:
    """One frame: a row for each attention, a column for each head."""
    layers = moment.record.layers
    columns = max(one.num_heads for one in layers)
    panels: list[Panel | None] = [
        make_panel(one, head, item, f"head {head}") if head < one.num_heads else None
        for one in layers
        for head in range(columns)
    ]
    measured = f" · {moment.measured}" if moment.measured else ""
    return draw_panels(
        panels,
        columns=columns,
        side=max(110.0, min(300.0, 1100 / columns)),
        title=f"Attention at step {moment.step:,}",
        notes=[*notes(moments, run, item), f"step {moment.step:,}{measured}"],
        title_size=6.5,
        shared=len({one.shape for one in layers}) == 1,
        row_titles=[one.name for one in layers],
        largest=largest or 1.0,
    )


def metrics_figure(
    moments: Sequence[Moment], lines: Sequence[dict[str, Any]], run: str
) -> Figure:
    """Loss, exact match and metrics of every head over the steps.

    `lines` are those of the run's `metrics.jsonl`. The steps stand on a logarithmic
    axis that begins with 0; what a metric says of a head is its mean over the batch.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    shown = metric_names(moments)
    measured = [name for name in ("loss", "validation_exact_match") if has(lines, name)]
    with matplotlib.rc_context(style.RC):
        rows = len(measured) + len(shown)
        figure = Figure(figsize=(9, 1.2 + 1.75 * rows), layout="constrained")
        grid = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        for axes, name in zip(grid, measured, strict=False):
            draw_measured(axes, lines, name)
        for axes, name in zip(grid[len(measured) :], shown, strict=True):
            draw_metric(axes, moments, name)
        for axes in grid:
            axes.set_xscale("symlog", linthresh=1, linscale=0.3)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.tick_params(which="both", labelsize=8, colors=style.QUIET)
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[["left", "bottom"]].set_color(style.FRAME)
        last = max(moments[-1].step, 1)
        ticks = [0, *(10**e for e in range(9) if 10**e <= last / 1.6), last]
        grid[-1].set_xticks(ticks, labels=[f"{tick:,}" for tick in ticks])
        grid[-1].set_xlim(0, last)
        grid[-1].set_xlabel("step", color=style.INK, fontsize=9)
        figure.align_ylabels(grid)
        legend(figure, grid[len(measured)])
        origin = replace(moments[-1].record.provenance, weights=span(moments, run))
        grid[0].set_title(
            "Attention metrics as training went on",
            loc="left",
            pad=20,
            fontsize=11,
            weight="bold",
            color=style.INK,
        )
        grid[0].annotate(
            origin.line(),
            (0, 1),
            (0, 8),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=7.5,
            color=style.QUIET,
        )
    return figure


def draw_measured(axes: Axes, lines: Sequence[dict[str, Any]], name: str) -> None:
    """A line of `metrics.jsonl`."""
    found = [(line["step"], line[name]) for line in lines if name in line]
    marker = "o-" if name.startswith("validation") else "-"
    x, y = zip(*found, strict=True)
    axes.plot(x, y, marker, color=style.INK, linewidth=1.2, ms=3, clip_on=False)
    axes.set_ylabel(name.removeprefix("validation_").replace("_", " "), fontsize=8)
    if name == "loss" and min(y) > 0:
        style.logarithmic(axes)
    else:
        axes.set_ylim(-0.03, 1.05)


def draw_metric(axes: Axes, moments: Sequence[Moment], name: str) -> None:
    """One metric of every head."""
    x = [moment.step for moment in moments]
    layers = [one.name for one in moments[0].record.layers]
    heads = sum(one.num_heads for one in moments[0].record.layers)
    for index, layer in enumerate(layers):
        values = np.array([metric_of(layer_of(m, layer), name) for m in moments])
        for head in range(values.shape[1]):
            named = heads <= MOST_NAMED
            label = f"{layer}, head {head}" if named else layer if head == 0 else None
            axes.plot(
                x,
                values[:, head],
                color=COLORS[index % len(COLORS)],
                linestyle=("-", "--", ":", "-.")[head % 4] if named else "-",
                linewidth=1.3 if named else 0.7,
                marker="o" if named else None,  # where it was measured
                markersize=2.5,
                clip_on=False,
                alpha=1.0 if named else 0.6,
                label=label,
            )
    axes.set_ylabel(
        EXPECTED if name == EXPECTED else METRICS[name].title, fontsize=8, wrap=True
    )
    axes.set_ylim(-0.03, 1.05)


def legend(figure: Figure, axes: Axes) -> None:
    """Which line is which head, below all panels."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower left",
        ncols=2,
        fontsize=7,
        frameon=False,
        labelcolor=style.INK,
    )


def metric_names(moments: Sequence[Moment]) -> list[str]:
    """The metrics that have values; the expected mass first, where it is known."""
    known = any(one.expected is not None for one in moments[0].record.layers)
    defined = [
        name
        for name in SHOWN_METRICS
        if any(
            not np.isnan(one.values()[name]).all() for one in moments[-1].record.layers
        )
    ]
    return [EXPECTED] * known + defined


def metric_of(layer: LayerAttention, name: str) -> Any:
    """A metric of every head, (heads,)."""
    return expected_mass(layer) if name == EXPECTED else layer.values()[name]


def layer_of(moment: Moment, name: str) -> LayerAttention:
    """The attention of that name. Raises ValueError."""
    for one in moment.record.layers:
        if one.name == name:
            return one
    raise ValueError(f"no attention {name}")


def spread(moments: Sequence[Moment], most: int) -> list[Moment]:
    """The first, the last, and of the others more where more happens.

    Half of the way between the chosen ones is counted in moments, half in how far the
    weights moved.
    """
    if len(moments) <= most:
        return list(moments)
    moved = [0.0]
    for before, after in pairwise(moments):
        pairs = zip(before.record.layers, after.record.layers, strict=True)
        moved.append(sum(float(np.abs(b.weights - a.weights).sum()) for a, b in pairs))
    way = np.cumsum(moved)
    way = way / (way[-1] or 1.0) + np.linspace(0, 1, len(moments))
    chosen = {0, len(moments) - 1}
    for goal in np.linspace(0, way[-1], most)[1:-1]:
        free = [index for index in range(len(moments)) if index not in chosen]
        chosen.add(min(free, key=lambda index: abs(way[index] - goal)))
    return [moments[index] for index in sorted(chosen)]


def span(moments: Sequence[Moment], run: str) -> str:
    """`run runs/copy, steps 0 to 400`."""
    return f"run {run}, steps {moments[0].step:,} to {moments[-1].step:,}"


def notes(moments: Sequence[Moment], run: str, item: int) -> list[str]:
    """What the figures show, in words."""
    origin = replace(moments[-1].record.provenance, weights=span(moments, run))
    batch = moments[0].record.layers[0].shape[0]
    shown = f"; the picture shows number {item}" if batch > 1 else ""
    return [f"{origin.line()}{shown}"]


def has(lines: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether anything of that name was measured."""
    return any(name in line for line in lines)
