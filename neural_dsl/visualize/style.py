"""What every picture shares: the colour scale, the inks, the type sizes.

The scale runs from near white (no attention) to dark navy (most): **darker is more**. It
was made for this project in CIELAB: lightness falls on a straight line from 99 to 14,
hue turns from cyan to indigo, and the stops stand at equal distances (ΔE*ab), so it is
perceptually uniform; since lightness alone carries the order, it reads the same for
colour-blind eyes and on a grey printer. Matplotlib and Plotly get the same stops.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap

DPI: Final = 150  # of every raster picture; layouts are computed in these pixels

STOPS: Final = (
    *("#fafdfe", "#e3f3fa", "#cce8f6", "#b5ddf2", "#9ed1ee", "#88c4e8"),
    *("#71b5e1", "#5ca6d8", "#4996cc", "#3a85be", "#3173ad", "#2c639a"),
    *("#2b5386", "#2a4572", "#27385e", "#242d4b", "#1f2239"),
)
"""The colour scale, from weight 0 to the largest weight, evenly spaced."""

LESS_STOPS: Final = (
    *("#fafdfe", "#fff2e5", "#fee7d0", "#fbdaba", "#f6cca4", "#eebc8f"),
    *("#e2aa79", "#d39665", "#c08356", "#ac714a", "#986343", "#85563d"),
    *("#734b38", "#604134", "#4e382f", "#3c302b", "#2a2726"),
)
"""The other side of a scale with a middle, made in the same way, from white to brown: how
much less than an even share a key gets."""

INK: Final = "#1f2239"  # titles and labels
QUIET: Final = "#5f6675"  # provenance, axis names, notes: contrast with white 5.8 to 1
FRAME: Final = "#b9bec9"  # outlines and ticks
# Cells that attention may not use: grey, so that no weight has their colour.
MASKED, MASKED_HATCH = "#ececec", "#c4c4c4"
PADDED: Final = "#d08a2e"  # the mark beside a padded query
# The outline of a cell where attention must be. The colour stands out from light cells,
# the casing around it from dark ones.
EXPECTED, EXPECTED_CASING = "#e4482e", "#ffffff"

Kind: TypeAlias = Literal["linear", "sqrt", "log", "uniform"]
"""How weights become colours; see `visualize.scale`."""
TITLES: Final[dict[Kind, str]] = {
    "linear": "linear",
    "sqrt": "square root",
    "log": "logarithmic",
    "uniform": "weight × allowed keys, 1 = no preference",
}
KINDS: Final = tuple(TITLES)

QUERY_LABEL, KEY_LABEL = "query", "key"

RC: Final[Any] = {
    "font.family": ["DejaVu Sans"],
    "text.usetex": False,
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "axes.linewidth": 0.6,
    "hatch.linewidth": 0.6,
}
"""What figures are made with that is not Matplotlib's default."""


def settings(**more: Any) -> AbstractContextManager[None]:
    """The settings under which figures are made and saved, whatever the user's matplotlibrc
    says."""
    import matplotlib

    default: Any = {
        name: value
        for name, value in matplotlib.rcParamsDefault.items()
        if not name.startswith("backend")
    }
    return matplotlib.rc_context(default | RC | more)


def stops(diverging: bool = False) -> tuple[str, ...]:
    """The colours in order; with `diverging`, from brown over white to navy."""
    return (*LESS_STOPS[:0:-1], *STOPS) if diverging else STOPS


def attention_colormap(diverging: bool = False) -> LinearSegmentedColormap:
    """The scale for Matplotlib, which leaves masked cells transparent."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("attention", stops(diverging), N=256)


def plotly_colorscale(diverging: bool = False) -> list[list[Any]]:
    """The same scale for Plotly."""
    colors = stops(diverging)
    return [[round(i / (len(colors) - 1), 6), color] for i, color in enumerate(colors)]


def logarithmic(axes: Axes) -> None:
    """A logarithmic y axis with plain numbers, those between two powers of 10 too.

    Matplotlib's own labels of such an axis are mathtext, which the project's figures
    switch off, as tokens may hold dollar signs.
    """
    from matplotlib.ticker import LogFormatter

    class Between(LogFormatter):
        """Labels the ticks that Matplotlib would label: few, where there is room."""

        def __call__(self, x: float, pos: int | None = None) -> str:
            return f"{x:g}" if super().__call__(x, pos) else ""

    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(Between())


def framed(axes: Axes) -> None:
    """The look of a matrix: a quiet frame, no ticks but those that are added."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_edgecolor(FRAME)


def bare(axes: Axes) -> None:
    """The look of an axis of curves: no frame but the two axes, quiet numbers."""
    axes.tick_params(which="both", labelsize=8, colors=QUIET)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FRAME)
