"""Looking at pictures of any kind: their pages, what is written there, and where."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from neural_dsl.visualize.pictures import drawings


@dataclass
class Picture:
    """A file of `neural visualize`: the figures that were made for it, one for most, the
    first and the last of an animation, or a page of HTML."""

    content: bytes
    figures: list[Figure] = field(default_factory=list)

    @property
    def pages(self) -> list[str]:
        """All that each page says, without blanks, so that line ends do not matter."""
        if self.figures:
            found = ["".join(text for text, _ in texts(one)) for one in self.figures]
        else:
            page = self.content.decode("utf-8")
            page = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>", " ", page)
            found = [html.unescape(page)]
        return ["".join(page.split()) for page in found]


def pictured(of, shown, form="png", **wishes):
    """The files that the registry makes, without their pixels: name -> `Picture`."""
    made, found = [], {}
    start = Figure.__init__

    def noted(self, *arguments, **rest):
        start(self, *arguments, **rest)
        made.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "__init__", noted)
        patch.setattr(Figure, "savefig", lambda *_, **__: None)
        for name, content in drawings(of, shown, form, **wishes):
            found[name] = Picture(content, made[:1] + made[1:][-1:])
            made.clear()
    return found


@cache
def texts(figure):
    """Every text that is drawn, with its box on the page."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    drawn, start = set(), Text.draw

    def noted(self, *arguments):
        before = len(calls)
        start(self, *arguments)
        if len(calls) > before:
            drawn.add(self)

    calls = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", noted)
        patch.setattr(renderer, "draw_text", lambda *_, **__: calls.append(1))
        figure.draw(renderer)
    return [
        (text.get_text(), text.get_window_extent(renderer))
        for text in figure.findobj(Text)
        if text in drawn
    ]


def overlap(one, other):
    """How many pixels two boxes share across and down; less than 0 is between them."""
    return (
        min(one.x1, other.x1) - max(one.x0, other.x0),
        min(one.y1, other.y1) - max(one.y0, other.y0),
    )


def check_texts(figure):
    """No text leaves the page, stands on another, or on a matrix."""
    found, page = texts(figure), figure.bbox
    for text, box in found:
        inside = box.x0 >= 0 and box.y0 >= 0
        inside &= box.x1 <= page.x1 and box.y1 <= page.y1
        assert inside, f"{text!r} leaves the page"
    for (one, box), (other, second) in combinations(found, 2):
        assert min(overlap(box, second)) <= 0.5, f"{one!r} overlaps {other!r}"
    for panel in (axes.get_window_extent() for axes in figure.axes if axes.images):
        for text, box in found:
            assert min(overlap(box, panel)) <= 1, f"{text!r} covers cells"


@cache
def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
