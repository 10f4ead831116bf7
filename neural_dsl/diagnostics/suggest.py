"""Did you mean …? Help that names what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable

LISTED = 20
_LONGEST = 60  # names beyond this are no typing mistakes, and comparing them is slow


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` most likely stands for, or None when none is near.

    Case, underscores and hyphens are ignored. A candidate that starts with the name
    counts as near from four letters on (`MultiHead`, `Concat`). Ties go to the
    candidate that comes first.
    """
    from difflib import get_close_matches

    wanted = _plain(name)
    if not wanted or len(wanted) > _LONGEST:
        return None
    by_plain: dict[str, str] = {}
    for candidate in candidates:
        by_plain.setdefault(_plain(candidate), candidate)
    near = get_close_matches(wanted, by_plain, n=1, cutoff=0.7)
    if not near and len(wanted) >= 4:
        near = sorted((p for p in by_plain if p.startswith(wanted)), key=len)
    return by_plain[near[0]] if near else None


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")


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
    shown = [f"`{before}{each}`" for each in (names if listed is None else listed)]
    more = ["…"] if len(shown) > LISTED else []
    there = f"there are: {', '.join(shown[:LISTED] + more)}" if shown else ""
    return only_near(name, names, before) or there


def only_near(name: str, candidates: Iterable[str], before: str = "") -> str:
    """ "did you mean `x`?", or "" when nothing is near."""
    found = closest(name, candidates)
    return f"did you mean `{before}{found}`?" if found else ""
