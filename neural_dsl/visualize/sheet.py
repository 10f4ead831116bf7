"""The page on which matrices are drawn: measured in pixels first, then made.

Matplotlib's own layout engines move things until they hardly overlap; here every text is
measured before anything is placed, so nothing overlaps, nothing is clipped, and a cell
covers a whole number of pixels, which keeps the cells of a matrix equally large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from neural_dsl.visualize import style
from neural_dsl.visualize.labels import Ticks, drawable, font_families

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARGIN = 24  # around everything, in pixels
TITLE_SIZE, NOTE_SIZE, AXIS_SIZE = 11.0, 7.5, 8.0  # points
TICK = 6  # tick mark and the gap to its label, in pixels
BAR_WIDTH, BAR_GAP = 22, 36
LEGEND_BOX = 22


@dataclass(frozen=True)
class Matrix:
    """One panel: weights (query, key), where attention is allowed, padded queries, and
    the cells (query, key) that the task expects."""

    title: str
    weights: npt.NDArray[np.floating]
    allowed: npt.NDArray[np.bool_]
    padded: npt.NDArray[np.bool_]  # (query,)
    expected: npt.NDArray[np.bool_] | None = None


@lru_cache(maxsize=100_000)
def measure(text: str, size: float, *, bold: bool = False) -> tuple[float, float]:
    """Width and height in pixels of one line of text at `style.DPI`."""
    font = FontProperties(family=font_families([text]), size=size, weight=_weight(bold))
    width, height, _ = _renderer().get_text_width_height_descent(text, font, False)
    return width, height


@cache
def _renderer() -> Any:
    return RendererAgg(1, 1, style.DPI)  # type: ignore[no-untyped-call]


def wrap(text: str, size: float, width: float, *, bold: bool = False) -> list[str]:
    """`text` in lines of at most `width` pixels; a word that is too long is broken."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if measure(longer, size, bold=bold)[0] <= width:
            lines[-1] = longer
            continue
        pieces = _break(word, size, width, bold)
        lines += pieces if lines[-1] else []
        if not lines[0]:
            lines = pieces
    return lines


def _break(word: str, size: float, width: float, bold: bool) -> list[str]:
    """A long word in pieces, broken behind a dot or an underscore where one is near."""
    pieces = [""]
    for character in word:
        if pieces[-1] and measure(pieces[-1] + character, size, bold=bold)[0] > width:
            full = pieces[-1]
            joint = max(full.rfind("."), full.rfind("_")) + 1
            cut = joint if joint > len(full) // 3 else len(full)
            pieces[-1:] = [full[:cut], full[cut:]]
        pieces[-1] += character
    return pieces


def line_height(size: float) -> float:
    """The distance of two lines of text, in pixels."""
    return 1.35 * size * style.DPI / 72


def largest_of_blocks(
    weights: np.ma.MaskedArray[Any, Any], rows: int, columns: int
) -> np.ma.MaskedArray[Any, Any]:
    """At most `rows` × `columns` blocks of (query, key) weights, each with its largest
    weight; masked where the whole block is. The same matrix where it fits."""
    filled = np.ma.filled(weights, -1.0)  # below every weight
    for axis, room in ((0, rows), (1, columns)):
        count = filled.shape[axis]
        if count > room:
            starts = np.arange(room) * count // room
            filled = np.maximum.reduceat(filled, starts, axis=axis)
    return np.ma.masked_less(filled, 0.0)


class Sheet:
    """A figure of `width` × `height` pixels, measured from its top left corner."""

    def __init__(self, width: float, height: float):
        self.width, self.height = round(width), round(height)
        size = (self.width / style.DPI, self.height / style.DPI)
        self.figure = Figure(figsize=size, dpi=style.DPI, facecolor="white")
        FigureCanvasAgg(self.figure)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes whose frame is that rectangle."""
        bottom = self.height - y - height
        return self.figure.add_axes(
            (
                x / self.width,
                bottom / self.height,
                width / self.width,
                height / self.height,
            )
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        color: str = style.INK,
        *,
        bold: bool = False,
    ) -> None:
        """One line of text; (x, y) is its top left corner."""
        self.figure.text(
            x / self.width,
            1 - y / self.height,
            text,
            size=size,
            color=color,
            weight=_weight(bold),
            family=font_families([text]),
            va="top",
            ha="left",
            parse_math=False,
        )

    def heading(self, title: str, notes: Sequence[str]) -> None:
        """The title and the notes below it, wrapped to the sheet."""
        y: float = MARGIN
        for line in heading_lines(title, notes, self.width):
            self.text(MARGIN, y, line.text, line.size, line.color, bold=line.bold)
            y += line_height(line.size)

    def matrix(self, axes: Axes, matrix: Matrix, largest: float) -> None:
        """Draw the weights on a scale from 0 to `largest`; row 0 is on top.

        Forbidden cells are transparent and show the hatched ground behind them. Where
        there are more cells than pixels, each pixel has the colour of its largest
        weight: an average would make a strong weight look weak, or vanish.
        """
        queries, keys = matrix.weights.shape
        place = axes.get_position()
        shown = largest_of_blocks(
            np.ma.masked_array(matrix.weights, ~matrix.allowed),
            max(1, round(place.height * self.height)),
            max(1, round(place.width * self.width)),
        )
        if not matrix.allowed.all():
            axes.set_facecolor(style.MASKED)
            ground = Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False)
            ground.set(
                hatch="////", edgecolor=style.MASKED_HATCH, linewidth=0, zorder=0
            )
            axes.add_patch(ground)
        axes.imshow(
            shown,
            interpolation="nearest",
            cmap=style.attention_colormap(),
            vmin=0.0,
            vmax=largest,
            aspect="auto",
            zorder=1,
            extent=(-0.5, keys - 0.5, queries - 0.5, -0.5),
        )
        axes.xaxis.set_major_locator(NullLocator())
        axes.yaxis.set_major_locator(NullLocator())
        for spine in axes.spines.values():
            spine.set_edgecolor(style.FRAME)
        self._padding_marks(axes, matrix.padded)
        if matrix.expected is not None:
            self._outlines(axes, matrix.expected)

    def _padding_marks(self, axes: Axes, padded: npt.NDArray[np.bool_]) -> None:
        """A bar on the right of every run of padded queries."""
        edges = np.flatnonzero(np.diff(np.r_[0, padded.astype(int), 0]))
        width = 5 / (axes.get_position().width * self.width)
        for start, end in edges.reshape(-1, 2):
            axes.add_patch(
                Rectangle(
                    (1.0, start - 0.5),
                    width,
                    end - start,
                    transform=axes.get_yaxis_transform(),
                    color=style.PADDED,
                    linewidth=0,
                    clip_on=False,
                    zorder=3,
                )
            )

    def _outlines(self, axes: Axes, cells: npt.NDArray[np.bool_]) -> None:
        """A frame inside each of these cells."""
        queries, keys = cells.shape
        place = axes.get_position()
        wide, high = (
            place.width * self.width / keys,
            place.height * self.height / queries,
        )
        line = min(2.4, max(0.8, 0.09 * min(wide, high)))  # pixels
        inset = 1.1 * line  # the casing ends where the cell does
        for row, column in np.argwhere(cells):
            for color, width in (
                (style.EXPECTED_CASING, 2.2 * line),
                (style.EXPECTED, line),
            ):
                axes.add_patch(
                    Rectangle(
                        (column - 0.5 + inset / wide, row - 0.5 + inset / high),
                        1 - 2 * inset / wide,
                        1 - 2 * inset / high,
                        fill=False,
                        edgecolor=color,
                        linewidth=width * 72 / style.DPI,
                        joinstyle="miter",
                        zorder=2,
                        gid="expected",
                        snap=False,
                    )
                )

    def tick_labels(
        self, axes: Axes, rows: Ticks | None, columns: Ticks | None
    ) -> None:
        """Label rows and columns; None leaves that side bare."""
        mark: dict[str, Any] = {
            "length": 2.0,
            "pad": 1.0,
            "color": style.FRAME,
            "width": 0.6,
        }
        for axis, shown in ((axes.yaxis, rows), (axes.xaxis, columns)):
            if shown is None:
                continue
            axis.set_tick_params(**mark)
            axis.set_ticks(
                list(shown.positions),
                labels=list(shown.texts),
                fontsize=shown.size,
                color=style.INK,
                family=font_families(shown.texts),
                parse_math=False,
            )
            if shown.rotated:
                for label in axis.get_ticklabels():
                    label.set(rotation=90)

    def color_bar(self, x: float, y: float, height: float, largest: float) -> None:
        """The scale, from 0 to `largest`, both of them labelled."""
        axes = self.axes(x, y, BAR_WIDTH, height)
        scale = ScalarMappable(Normalize(0.0, largest), style.attention_colormap())
        ticks = bar_ticks(largest)
        bar = self.figure.colorbar(scale, cax=axes, ticks=ticks)
        axes.set_yticks(ticks, labels=[bar_text(t) for t in ticks], parse_math=False)
        bar.outline.set_edgecolor(style.FRAME)
        axes.tick_params(labelsize=7.5, labelcolor=style.INK, length=2, pad=2)
        axes.tick_params(color=style.FRAME)
        bar.set_label(
            style.COLOR_BAR_LABEL, size=AXIS_SIZE, color=style.QUIET, va="center"
        )
        labels = max(measure(bar_text(tick), 7.5)[0] for tick in ticks)
        axes.yaxis.set_label_coords((BAR_WIDTH + labels + 26) / BAR_WIDTH, 0.5)

    def legend(self, x: float, y: float, entries: Sequence[str]) -> None:
        """Explain grey cells, outlines and the padding mark; see `legend_entries`."""
        for entry in entries:
            axes = self.axes(x, y, LEGEND_BOX, LEGEND_BOX * 0.7)
            axes.set_xticks([])
            axes.set_yticks([])
            if entry == EXPECTED_ENTRY:
                axes.set_facecolor(style.STOPS[8])
                self._outlines(axes, np.ones((1, 1), dtype=bool))
                axes.set(xlim=(-0.5, 0.5), ylim=(-0.5, 0.5))
            masked = entry == MASKED_ENTRY
            if entry in (MASKED_ENTRY, PADDED_ENTRY):
                axes.set_facecolor(style.MASKED if masked else style.PADDED)
            for spine in axes.spines.values():
                spine.set_edgecolor(style.FRAME)
            if masked:
                ground = Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False)
                ground.set(hatch="////", edgecolor=style.MASKED_HATCH, linewidth=0)
                axes.add_patch(ground)
            self.text(x + LEGEND_BOX + 8, y - 1, entry, NOTE_SIZE, style.QUIET)
            x += LEGEND_BOX + 8 + measure(entry, NOTE_SIZE)[0] + 28


MASKED_ENTRY = "masked: this query may not attend to this key"
PADDED_ENTRY = "padded query (left out of the metrics)"
EXPECTED_ENTRY = "expected for this task"


def legend_entries(matrices: Sequence[Matrix]) -> list[str]:
    """What of the legend these matrices need."""
    entries = []
    if any(not matrix.allowed.all() for matrix in matrices):
        entries.append(MASKED_ENTRY)
    if any(matrix.padded.any() for matrix in matrices):
        entries.append(PADDED_ENTRY)
    if any(
        matrix.expected is not None and matrix.expected.any() for matrix in matrices
    ):
        entries.append(EXPECTED_ENTRY)
    return entries


def legend_width(entries: Sequence[str]) -> float:
    """The pixels that `Sheet.legend` takes across."""
    return sum(LEGEND_BOX + 36 + measure(entry, NOTE_SIZE)[0] for entry in entries)


@dataclass(frozen=True)
class Line:
    """One line of a heading."""

    text: str
    size: float
    color: str
    bold: bool


def heading_lines(title: str, notes: Sequence[str], width: float) -> list[Line]:
    """The lines of a heading on a sheet of `width` pixels."""
    room = width - 2 * MARGIN
    lines = wrap(drawable(title), TITLE_SIZE, room, bold=True)
    found = [Line(line, TITLE_SIZE, style.INK, True) for line in lines]
    for note in notes:
        lines = wrap(drawable(note), NOTE_SIZE, room)
        found += [Line(line, NOTE_SIZE, style.QUIET, False) for line in lines]
    return found


def bar_ticks(largest: float) -> list[float]:
    """0, `largest`, and round values between that keep clear of both."""
    steps = [m * 10.0**e for e in range(-9, 1) for m in (1, 2, 2.5, 5)]
    step = next((s for s in steps if largest / s <= 5), largest)
    inner = [step * k for k in range(1, 6) if step * k < largest - 0.45 * step]
    return [0.0, *inner, largest]


def bar_text(value: float) -> str:
    """A weight in at most four significant digits."""
    return f"{value:.3g}" if value < 0.01 else f"{value:.4g}"


def _weight(bold: bool) -> str:
    return "bold" if bold else "normal"
