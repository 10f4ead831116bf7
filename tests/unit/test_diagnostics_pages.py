"""Codes and their pages; near names."""

import re
from pathlib import Path

import pytest

import neural_dsl
from neural_dsl.diagnostics.explain import codes, page, title
from neural_dsl.diagnostics.suggest import closest

CODE = re.compile(r"""["'](N[EW]\d{3})["']""")


def used_codes() -> set[str]:
    """Every code that stands as a string in the package."""
    package = Path(neural_dsl.__file__).parent
    found: set[str] = set()
    for module in package.rglob("*.py"):
        found.update(CODE.findall(module.read_text(encoding="utf-8")))
    return found


def test_every_code_that_is_used_has_a_page() -> None:
    missing = sorted(used_codes() - set(codes()))
    assert not missing, f"write neural_dsl/diagnostics/pages/<code>.md for {missing}"


def test_every_page_is_about_a_code_that_is_used() -> None:
    unused = sorted(set(codes()) - used_codes())
    assert not unused, f"nothing reports {unused}; remove their pages"


@pytest.mark.parametrize("code", codes())
def test_a_page_has_its_title_and_says_enough(code: str) -> None:
    text = page(code)
    assert text.startswith(f"# {code}: ")
    assert 3 < len(title(code)) < 70
    assert 6 <= len(text.splitlines()) <= 45


NAMES = ["Dense", "Dropout", "Conv1D", "MultiHeadAttention", "LayerNormalization"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Dens", "Dense"),
        ("dense", "Dense"),
        ("dropuot", "Dropout"),
        ("Conv1d", "Conv1D"),
        ("layer_normalization", "LayerNormalization"),
        ("LayerNormalisation", "LayerNormalization"),
        ("MultiHead", "MultiHeadAttention"),
        ("Zebra", None),
        ("x", None),
        ("", None),
        ("Dense" * 1_000_000, None),
    ],
)
def test_a_near_name_is_suggested_and_a_far_one_is_not(
    name: str, meant: str | None
) -> None:
    assert closest(name, NAMES) == meant


def test_no_candidates_no_suggestion() -> None:
    assert closest("Dense", []) is None
