"""Help lines that name what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable

from neural_dsl.diagnostics.suggest import closest

LISTED = 20


def did_you_mean(
    name: str,
    candidates: Iterable[str],
    *,
    listed: Iterable[str] | None = None,
    before: str = "",
) -> str:
    """ "did you mean `x`?", or what exists when nothing is near.

    `listed` are the names to show then, where `candidates` also has aliases.
    """
    names = list(dict.fromkeys(candidates))
    near = only_near(name, names, before)
    if near:
        return near
    shown = names if listed is None else list(listed)
    if not shown:
        return ""
    text = ", ".join(f"`{before}{candidate}`" for candidate in shown[:LISTED])
    return f"there are: {text}" + (", …" if len(shown) > LISTED else "")


def only_near(name: str, candidates: Iterable[str], before: str = "") -> str:
    """ "did you mean `x`?", or "" when nothing is near."""
    found = closest(name, candidates)
    return f"did you mean `{before}{found}`?" if found else ""
