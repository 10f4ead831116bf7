"""Saving Matplotlib figures: the format by the file's suffix, the same bytes each time."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neural_dsl.visualize import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# By format, what would make every file different.
FORMATS: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}


def picture_bytes(
    figure: Figure, form: str, dpi: float = style.DPI, *, quick: bool = False
) -> bytes:
    """The figure as the bytes of a png, svg or pdf.

    Text stays text in a PDF and becomes outlines in an SVG, which then looks the same
    wherever it is opened. `quick` is for large grids: zlib's usual level, 6, takes three
    times as long for a few percent.
    """
    saved: Any = {
        "svg.hashsalt": "neural-dsl",
        "svg.fonttype": "path",
        "pdf.fonttype": 42,
        "savefig.bbox": "standard",
    }
    buffer = io.BytesIO()
    options: Any = {"format": form, "dpi": dpi, "metadata": FORMATS[form]}
    if quick and form == "png":
        options["pil_kwargs"] = {"compress_level": 4}
    with style.settings(**saved):
        figure.savefig(buffer, **options)
    return buffer.getvalue()


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write `figure` as png (at 150 dpi), svg or pdf, whichever the path ends in.

    Raises ValueError for another suffix, OSError where the file cannot be written.
    """
    suffix = Path(path).suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise ValueError(f"cannot save a figure as {suffix!r}; known: {known}")
    Path(path).write_bytes(picture_bytes(figure, suffix, quick=True))
