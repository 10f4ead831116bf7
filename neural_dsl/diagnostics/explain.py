"""The pages on diagnostic codes, which `neural explain` prints."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files

from neural_dsl.diagnostics import refusal

PAGES = files("neural_dsl.diagnostics").joinpath("pages")


def codes() -> list[str]:
    """Every code that has a page, errors before warnings."""
    names = (entry.name for entry in PAGES.iterdir())
    return sorted(name[:-3] for name in names if name.endswith(".md"))


def title(code: str) -> str:
    """The short title of a code's page: its first line without `# NE021: `."""
    return page(code).partition("\n")[0].partition(":")[2].strip()


def page(code: str) -> str:
    """The page on a code, in Markdown; case does not matter.

    Raises NeuralError NE137 for a code that does not exist.
    """
    name, known = code.strip().upper(), codes()
    if name in known:
        return PAGES.joinpath(f"{name}.md").read_text(encoding="utf-8")
    close = get_close_matches(name, known, n=3, cutoff=0.75)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    shown = code if code.isprintable() else ascii(code)[1:-1]
    message = f"there is no diagnostic code `{shown}`"
    raise refusal("NE137", message, help=f"{meant}`neural explain` lists every code")
