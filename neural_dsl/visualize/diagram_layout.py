"""Where everything of the architecture picture stands: shapes to draw, in pixels.

The layout knows no output format: it ends in rectangles, lines, circles and texts, which
`architecture.py` writes as SVG or draws with Matplotlib. Widths of text are estimated on
the wide side, so that nothing depends on which fonts a reader has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from neural_dsl.visualize import style
from neural_dsl.visualize.diagram import Card, Columns, Frame, Item
from neural_dsl.visualize.labels import visible

CARD_WIDTH: Final = 390.0
PAD: Final = 14.0
GAP: Final = 30.0  # between things that follow one another
COLUMN_GAP: Final = 26.0
FRAME_PAD: Final = 22.0
FRAME_HEAD: Final = 34.0
SKIP: Final = 30.0  # the room for a residual's arrow, on both sides
SUM_RADIUS: Final = 10.0
BUS: Final = 22.0  # from where branches part, or meet, to the branches

FAMILIES: Final = {
    "transformer": "#2c639a",
    "attention": "#2c639a",
    "embedding": "#2f8a7d",
    "core": "#5f6675",
    "normalization": "#b08a2b",
    "convolution": "#7a5ea8",
    "pooling": "#b9653f",
    "merging": "#8a93a3",
    "input": "#1f2239",
}
CARD_EDGE, FRAME_EDGE, LINE = "#cfd4dd", "#dfe3ea", "#7b8496"
FRAME_FILLS: Final = ("#f5f7fa", "#ebeff4")


Way: TypeAlias = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Box:
    """A rectangle with round corners; `card` is the number of the card that it is."""

    x: float
    y: float
    width: float
    height: float
    radius: float
    fill: str
    edge: str
    card: int | None = None


@dataclass(frozen=True)
class Text:
    """One line; y is its baseline. `badge` follows the text, bold, in its own color."""

    x: float
    y: float
    text: str
    size: float
    color: str
    bold: bool = False
    anchor: Literal["start", "end"] = "start"
    badge: str = ""
    badge_color: str = style.INK


@dataclass(frozen=True)
class Path:
    """A line through points, with an arrow head at its end if `arrow`."""

    points: Way
    arrow: bool


@dataclass(frozen=True)
class Sum:
    """The circled plus at which a residual is added."""

    x: float
    y: float


Mark: TypeAlias = Box | Text | Path | Sum


@dataclass
class Drawing:
    """The finished layout. `grounds` are the frames, inner before outer, below all marks;
    `cards` are the layers' cards by number."""

    width: float
    height: float
    grounds: list[Box] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """An upper estimate of a line's width: DejaVu Sans, the widest of the usual fonts."""
    wide = sum(1 for character in text if ord(character) > 0x2E80)
    return size * ((0.70 if bold else 0.62) * (len(text) - wide) + 1.05 * wide)


def fit(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """`text`, cut to the room with an ellipsis."""
    if text_width(text, size, bold=bold) <= room:
        return text
    kept = text
    while kept and text_width(kept + "…", size, bold=bold) > room:
        kept = kept[: max(1, int(len(kept) * 0.95)) if len(kept) > 40 else -1]
    return kept.rstrip(" …,") + "…"


def wrap_facts(facts: str, size: float, room: float, most: int = 3) -> list[str]:
    """Facts in at most `most` lines, broken between facts."""
    lines: list[str] = []
    for fact in facts.split(" · ") if facts else []:
        longer = f"{lines[-1]} · {fact}" if lines else fact
        if lines and text_width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(fit(fact, size, room))
    if len(lines) > most:
        lines = [*lines[: most - 1], fit(lines[most - 1] + " · …", size, room)]
    return lines


def lay_out(items: Sequence[Item], heading: Sequence[str]) -> Drawing:
    """The whole drawing: the heading (title first), then the items from top to bottom."""
    margin, top = 32.0, 30.0
    sizes = [19.0] + [12.5] * (len(heading) - 1)
    texts = [text_width(line, size) for line, size in zip(heading, sizes, strict=True)]
    widest = max((_width(item) for item in items), default=CARD_WIDTH)
    width = max([widest, *(min(text, 900.0) for text in texts)]) + 2 * margin
    drawing = Drawing(width, 0.0)
    for index, (line, size) in enumerate(zip(heading, sizes, strict=True)):
        bold, color = (True, style.INK) if index == 0 else (False, style.QUIET)
        top += size
        shown = fit(line, size, width - 2 * margin, bold=bold)
        drawing.marks.append(Text(margin, top, shown, size, color, bold))
        top += 9.0
    bottom = _Pen(drawing).stack(items, width / 2, top + 18.0, 0)
    drawing.height = bottom + 30.0
    return drawing


def _width(item: Item) -> float:
    match item:
        case Card():
            return CARD_WIDTH
        case Frame(items=items, residual=residual):
            widest = max((_width(one) for one in items), default=CARD_WIDTH / 2)
            return widest + 2 * (FRAME_PAD + SKIP * residual)
        case Columns(columns=columns):
            widths = [_width(column) for column in columns]
            return sum(widths) + COLUMN_GAP * (len(widths) - 1)


class _Pen:
    """Places items below one another around a vertical axis at x, from y down; every
    method returns the y below what it drew."""

    def __init__(self, drawing: Drawing):
        self.drawing = drawing
        self.add = drawing.marks.append

    def path(self, *points: tuple[float, float], arrow: bool = False) -> None:
        self.add(Path(points, arrow))

    def stack(self, items: Sequence[Item], x: float, y: float, depth: int) -> float:
        """Items one after another, joined by arrows."""
        for index, item in enumerate(items):
            if index:
                parts = item.columns if isinstance(item, Columns) else ()
                if not parts or any(column.from_trunk for column in parts):
                    self.path((x, y), (x, y + GAP), arrow=isinstance(item, Card))
                y += GAP
            match item:
                case Card():
                    y = self.card(item, x, y)
                case Frame():
                    y = self.frame(item, x, y, depth)
                case Columns():
                    y = self.columns(item, x, y, depth)
        return y

    def card(self, card: Card, x: float, y: float) -> float:
        """A layer; copies show as cards behind it."""
        facts = wrap_facts(card.facts, 11.5, CARD_WIDTH - 2 * PAD)
        second = 18.0 if card.name or card.count else 0.0
        height = 38.0 + second + 16.0 * len(facts)
        left = x - CARD_WIDTH / 2
        color = FAMILIES.get(card.family, FAMILIES["core"])
        behind = (8.0, 4.0) if card.times > 1 else ()
        for shift in behind:
            place = (left + shift, y + shift, CARD_WIDTH, height)
            self.add(Box(*place, 8, "#ffffff", CARD_EDGE))
        number = None
        if card.layers:
            number = len(self.drawing.cards)
            self.drawing.cards.append(card)
        fill = FRAME_FILLS[0] if card.family == "input" else "#ffffff"
        self.add(Box(left, y, CARD_WIDTH, height, 8, fill, CARD_EDGE, number))
        self.add(Box(left, y + 9, 4, height - 18, 2, color, color))
        start, right, line = left + PAD, left + CARD_WIDTH - PAD, y + 41
        badge = f"× {card.times}" if card.times > 1 else ""
        room = CARD_WIDTH - 2 * PAD - text_width(card.shape, 12.5) - 12
        room -= text_width(badge, 13, bold=True)
        title = fit(card.title, 14, room, bold=True)
        self.add(Text(start, y + 23, title, 14, style.INK, True, "start", badge, color))
        self.add(Text(right, y + 23, card.shape, 12.5, style.INK, anchor="end"))
        if second:
            room = CARD_WIDTH - 2 * PAD - text_width(card.count, 11.5) - 12
            name = fit(visible(card.name, 200), 11.5, room) if card.name else ""
            self.add(Text(start, line, name, 11.5, style.QUIET))
            self.add(Text(right, line, card.count, 11.5, style.QUIET, anchor="end"))
            line += second
        for fact in facts:
            self.add(Text(start, line, fact, 11.5, style.INK))
            line += 16
        return y + height + max(behind, default=0.0)

    def frame(self, frame: Frame, x: float, y: float, depth: int) -> float:
        """A frame around items; a residual's input goes round them and is added."""
        bottom = self.inside(frame, x, y, [(x, y)], depth)
        if frame.residual:
            side = x + _width(frame) / 2 - FRAME_PAD - SKIP / 2 + 4
            turn, centre = y + FRAME_HEAD / 2 - 3, bottom + GAP + SUM_RADIUS
            self.path((x, bottom), (x, centre - SUM_RADIUS), arrow=True)
            way = ((x, turn), (side, turn), (side, centre), (x + SUM_RADIUS, centre))
            self.path(*way, arrow=True)
            self.add(Sum(x, centre))
            bottom = centre + SUM_RADIUS
        end = bottom + FRAME_PAD
        self.path((x, bottom), (x, end))
        self.ground(frame, x, y, end, depth)
        return end

    def columns(self, item: Columns, x: float, y: float, depth: int) -> float:
        """Branches: lines part above them and meet below."""
        left, ends = x - _width(item) / 2, []
        for column in item.columns:
            width = _width(column)
            centre = left + width / 2
            bottom = self.inside(column, centre, y + BUS, [(x, y), (centre, y)], depth)
            self.ground(column, centre, y + BUS, bottom + FRAME_PAD, depth)
            ends.append((centre, bottom))
            left += width + COLUMN_GAP
        meet = max(bottom for _, bottom in ends) + FRAME_PAD + BUS
        for column, (centre, bottom) in zip(item.columns, ends, strict=True):
            self.path((centre, bottom), (centre, meet), (x, meet))
            if column.label:
                self.add(Text(centre + 8, meet - 6, column.label, 11.5, style.QUIET))
        return meet

    def inside(self, frame: Frame, x: float, y: float, way: Way, depth: int) -> float:
        """The heading of a frame in its top left corner, and its items, to which that
        way leads."""
        width = _width(frame)
        badge = f"× {frame.times}" if frame.times > 1 else ""
        # The line into the frame comes in at the middle; keep left of it.
        room = width / 2 - 22 - text_width(badge, 13, bold=True)
        title = frame.title and fit(visible(frame.title, 200), 12.5, room, bold=True)
        if title or badge:
            place = (x - width / 2 + 16, y + 21)
            self.add(Text(*place, title, 12.5, style.QUIET, True, badge=badge))
        top = y + FRAME_HEAD
        if frame.from_trunk:
            arrow = bool(frame.items) and isinstance(frame.items[0], Card)
            self.path(*way, (x, top), arrow=arrow)
        return self.stack(frame.items, x, top, depth + 1)

    def ground(self, frame: Frame, x: float, y: float, end: float, depth: int) -> None:
        """The frame itself, down to `end`."""
        width, fill = _width(frame), FRAME_FILLS[depth % 2]
        box = Box(x - width / 2, y, width, end - y, 12, fill, FRAME_EDGE)
        self.drawing.grounds.append(box)
