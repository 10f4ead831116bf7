"""Help lines that name what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable

from neural_dsl.diagnostics.suggest import closest

LISTED = 12


def did_you_mean(name: str, candidates: Iterable[str], before: str = "") -> str:
    """ "did you mean `x`?", or the list of what exists when nothing is close."""
    names = list(dict.fromkeys(candidates))
    found = closest(name, names)
    if found:
        return f"did you mean `{before}{found}`?"
    if not names:
        return ""
    shown = ", ".join(f"`{before}{candidate}`" for candidate in names[:LISTED])
    return f"there are: {shown}" + (", …" if len(names) > LISTED else "")
