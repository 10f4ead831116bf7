"""Which split a problem belongs to: its hash says so, so that no two splits share one.

The scripts that train say the same in NumPy (`templates/tasks/problems.py.j2`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

HASH = 6364136223846793005
"""Knuth's multiplier of MMIX, TAOCP volume 2, 3.3.4, table 1, line 26."""
MANY = 2**62
"""More problems than this are not told apart: no training sees them all."""
COUNTABLE = 20_000
"""Spaces up to this size are counted, where arithmetic alone cannot be sure."""
FEWEST, MOST = 5, 30
"""Hundredths of the problems that validation, or the test, takes."""
HELD_OUT = ("test", "validation")


def multiplier(data_seed: int) -> int:
    """The odd number that scatters the problems. Below 2^63."""
    return HASH * (2 * data_seed + 1) % 2**63


def hundredth(problem: Sequence[int], data_seed: int) -> int:
    """The hash of a problem, 0 to 99, as signed 64-bit numbers give it."""
    factor = multiplier(data_seed)
    code = _signed(sum(x * factor**place for place, x in enumerate(problem, start=1)))
    return (_signed((code ^ code >> 32) * factor) >> 40) % 100


def _signed(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63


def bounds(sizes: Mapping[str, int], total: int) -> dict[str, tuple[int, int]]:
    """Split -> the hundredths that are its own, from the first to before the last.

    The test and validation take as little as they need to have `sizes` distinct
    problems of the `total`, and no less than FEWEST.
    """
    found, first = {}, 0
    for split in HELD_OUT:
        shares = range(FEWEST, MOST)
        enough = (s for s in shares if surely(total, s) >= sizes[split])
        end = first + next(enough, MOST)
        found[split] = (first, end)
        first = end
    return {**found, "train": (first, 100)}


def surely(total: int, share: int) -> int:
    """How many of `total` problems some hundredths have at least: six standard
    deviations below the mean, as each problem falls into them by chance."""
    mean = total * share / 100
    return max(0, int(mean - 6 * math.sqrt(mean * (1 - share / 100))))


def counted(
    problems: Iterable[Sequence[int]],
    data_seed: int,
    within: Mapping[str, tuple[int, int]],
) -> dict[str, int]:
    """Split -> how many of the problems it has."""
    found = dict.fromkeys(within, 0)
    for problem in problems:
        place = hundredth(problem, data_seed)
        for split, (first, end) in within.items():
            found[split] += first <= place < end
    return found
