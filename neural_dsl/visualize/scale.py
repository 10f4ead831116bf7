"""From attention weights to colours: the one place that decides a picture's scale.

A scale follows what can differ. A row with a single allowed key is 1 whatever the model
does, so it counts for nothing here. The top is the 95th percentile of the rows' largest
weights, or the largest weight itself where that is less than twice as much; what lies
above has the darkest colour, and the picture says so.

kind      the height of a colour               it ends at
linear    weight                               0 and the top
sqrt      square root of the weight            0 and the top
log       logarithm of the weight              a power of ten that hides at most 1% of
                                               all attention, and the top
uniform   logarithm of weight × allowed keys   1/m and m; 1 is no preference at all

Pictures and page draw heights; what they say at the colour bar comes from here too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from neural_dsl.visualize.style import TITLES, Kind

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Bools: TypeAlias = npt.NDArray[np.bool_]

HIGH, LOW = 95, 5  # percentiles
SEEN: Final = 1 / 16  # of the scale: what is lighter looks like nothing
ENOUGH: Final = 0.9  # of all attention must be seen
BINS: Final = 64  # powers of two; the last begins at 1


class Facts(NamedTuple):
    """What a scale depends on, of one matrix or, added up, of several.

    - `tops`, `lows`: the largest and the smallest allowed weight of each row with two
      or more allowed keys, `counts` how many keys those are, (rows,).
    - `mass`: how much attention falls on weights in [2**(i - 63), 2**(i - 62)), (64,).
    """

    tops: Floats
    lows: Floats
    counts: npt.NDArray[np.int64]
    mass: Floats

    def seen(self, weight: float) -> float:
        """The share of all attention that falls on weights of at least `weight`."""
        edges = 2.0 ** np.arange(1 - BINS, 1)
        return float(self.mass[edges >= weight].sum() / (self.mass.sum() or 1.0))


def facts_of(weights: Floats, allowed: Bools) -> Facts:
    """The facts of one matrix; both arrays are (query, key)."""
    counts = np.asarray(allowed.sum(-1))
    rows = counts > 1
    weights, allowed = weights[rows], allowed[rows]
    exponents = np.frexp(np.maximum(weights, 0.0))[1] + BINS - 2
    mass: Floats = np.bincount(
        np.clip(exponents, 0, BINS - 1).ravel(),
        np.where(allowed, weights, 0.0).ravel(),
        BINS,
    ).astype(np.float64)
    return Facts(
        np.where(allowed, weights, 0.0).max(-1, initial=0.0),
        np.where(allowed, weights, np.inf).min(-1, initial=np.inf),
        counts[rows],
        mass,
    )


def together(facts: Iterable[Facts]) -> Facts:
    """The facts of several matrices as one."""
    *rows, masses = zip(*facts, strict=True)
    tops, lows, counts = (np.concatenate(each) for each in rows)
    return Facts(tops, lows, counts, np.sum(masses, axis=0))


@dataclass(frozen=True)
class Scale:
    """Which value has which colour.

    - `bottom`, `top`: the values at the two ends of the colours: weights, or for
      "uniform" weight times allowed keys.
    - `least`, `most`: the smallest and the largest value there is.
    - `why`: the reason, where the data chose the kind.
    """

    kind: Kind
    bottom: float
    top: float
    least: float
    most: float
    why: str = ""

    @property
    def over(self) -> bool:
        """Whether there are values beyond the top."""
        return self.most > self.top * (1 + 1e-6)

    @property
    def under(self) -> bool:
        """Whether there are values below the bottom."""
        return self.least < self.bottom * (1 - 1e-6)

    @property
    def diverging(self) -> bool:
        """Whether the colours part at a middle value."""
        return self.kind == "uniform"

    @property
    def bar_label(self) -> str:
        """What stands along the colour bar."""
        return "weight × keys" if self.diverging else "attention weight"

    def values(self, weights: Floats, allowed: Bools) -> Floats:
        """What the colours of (query, key) weights stand for."""
        if not self.diverging:
            return weights
        return np.asarray(weights * allowed.sum(-1, keepdims=True))

    def height(self, values: Any) -> Any:
        """Where values stand on the colours: the ends are `height` of bottom and top."""
        if self.kind == "linear":
            return values
        if self.kind == "sqrt":
            return np.sqrt(values)
        within = np.maximum(values, self.bottom)
        return np.log2(within) if self.diverging else np.log10(within)

    @property
    def ends(self) -> tuple[float, float]:
        """The heights of the first and the last colour."""
        return float(self.height(self.bottom)), float(self.height(self.top))

    def ticks(self) -> list[tuple[float, str]]:
        """Heights and labels of the colour bar, both ends among them."""
        low, high = self.ends
        room = 0.09 * (high - low)
        inner = [
            (place, number(value))
            for value in self._marks()
            if low + room < (place := float(self.height(value))) < high - room
        ]
        first, last = number(self.bottom), number(self.top)
        return [
            (low, "≤ " * self.under + first),
            *inner,
            (high, "≥ " * self.over + last),
        ]

    def _marks(self) -> list[float]:
        """Round values between the ends, whose heights are about equally far apart."""
        top = self.top
        if self.kind == "linear":  # at most five
            steps = [m * 10.0**e for e in range(-9, 7) for m in (1, 2, 2.5, 5)]
            step = next((s for s in steps if top / s <= 5), top)
            return [step * k for k in range(1, 6) if step * k < top - 0.45 * step]
        if self.kind == "sqrt":
            return sorted({rounded(top * part**2) for part in (0.25, 0.5, 0.75)})
        if self.kind == "log":  # powers of ten, every second where there are many
            first, last = round(np.log10(self.bottom)), int(np.ceil(np.log10(top)))
            few = last - first < 7
            return [10.0**e for e in range(last, first, -1 if few else -2)][::-1]
        between = float(f"{top**0.5:.2g}") if top > 2 else top**0.5
        return [1 / between, 1.0, between]

    @property
    def note(self) -> str:
        """A line that names the scale, and what lies outside of it."""
        parts = [f"color scale: {TITLES[self.kind]}"]
        if self.why:
            parts.append(f"chosen because {self.why}")
        if self.over:
            more = f"{number(self.top)} and more, up to {number(self.most)}"
            parts.append(f"the darkest {'blue ' * self.diverging}is {more}")
        if self.under and self.diverging:
            parts.append(f"the darkest brown is {number(self.bottom)} and less")
        elif self.under:
            parts.append(f"the lightest is {number(self.bottom)} and less")
        return "; ".join(parts)


def scale_of(
    matrices: Iterable[tuple[Floats, Bools]], kind: Kind | None = None
) -> Scale:
    """The one scale of several matrices: (weights, allowed), both (query, key)."""
    return scale_from(together(facts_of(*one) for one in matrices), kind)


def scale_from(facts: Facts, kind: Kind | None = None) -> Scale:
    """The scale of these facts; without a `kind`, the data chooses."""
    if not facts.tops.size:  # nothing can differ: every row is 1, or empty
        return Scale(kind or "linear", _floor(kind, 1.0, facts), 1.0, 1.0, 1.0)
    kind, why = choose(facts) if kind is None else (kind, "")
    times = facts.counts if kind == "uniform" else 1
    tops, lows = facts.tops * times, facts.lows * times
    top = max(_top(tops), 1.05 if kind == "uniform" else 0.0)
    bottom = _floor(kind, top, facts)
    return Scale(kind, bottom, top, float(lows.min()), float(tops.max()), why)


def whole_scale(facts: Facts, kind: Kind) -> Scale:
    """The scale on which nothing is out of range: weights up to 1, every preference."""
    one = scale_from(facts, kind)
    if kind == "uniform":
        end = max(one.most, 1 / max(one.least, 1 / max(one.most, 2.0)))
        return Scale(kind, 1 / end, end, one.least, one.most)
    return Scale(kind, one.bottom, 1.0, one.least, one.most)


def choose(facts: Facts) -> tuple[Kind, str]:
    """The kind that shows most of what is there, and why.

    Linear, unless its colours would all look the same (then deviations from an even
    share are shown) or more than a tenth of all attention would look like none. In that
    case deviations where they are small, else the root, else the logarithm.
    """
    top = _top(facts.tops)
    if np.percentile(facts.lows, LOW) > 0.8 * top:
        return "uniform", "the weights are nearly the same"
    if facts.seen(SEEN * top) >= ENOUGH:
        return "linear", ""
    shares, least = facts.tops * facts.counts, facts.lows * facts.counts
    most = np.percentile(shares, HIGH)
    if 1.001 < most < 4 and np.percentile(least, LOW) > 0.25:
        return "uniform", "every key gets nearly its even share"
    why = "much attention falls on weights that a linear one would not show"
    return ("sqrt" if facts.seen(SEEN**2 * top) >= ENOUGH else "log"), why


def _top(tops: Floats) -> float:
    """The largest, or the 95th percentile where that is less than half of it."""
    largest, usual = float(tops.max()), float(np.percentile(tops, HIGH))
    return (largest if largest <= 2 * usual else usual) or largest or 1.0


def _floor(kind: Kind | None, top: float, facts: Facts) -> float:
    """Where the colours begin."""
    if kind == "uniform":
        return 1 / max(top, 1.05)
    if kind != "log":
        return 0.0
    floor = 10.0 ** (np.ceil(np.log10(top)) - 1)
    while floor > 1e-9 and facts.mass.any() and facts.seen(floor) < 0.99:
        floor /= 10
    return float(floor)


def rounded(value: float) -> float:
    """The nearest of 1, 2, 5 and 10 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(min((m * power for m in (1, 2, 5, 10)), key=lambda m: abs(m - value)))


def number(value: float) -> str:
    """A value in at most four significant digits."""
    return f"{value:.3g}" if value < 0.01 else f"{value:.4g}"
