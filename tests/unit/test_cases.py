"""Every case still compiles to the files that were read and approved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.regenerate import TESTS, cases, expected

CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_the_graph_and_the_code_of_a_case_are_as_expected(name: str) -> None:
    folder = TESTS / "cases" / name
    for file_name, text in expected(CASES[name]).items():
        wanted = (folder / file_name).read_text(encoding="utf-8")
        assert text == wanted, f"differs: run python tests/regenerate.py {name}"


def test_no_case_is_left_over() -> None:
    assert {p.name for p in (TESTS / "cases").iterdir() if p.is_dir()} == set(CASES)


def test_emitted_code_is_clean_under_ruff() -> None:
    files = [str(p) for p in sorted((TESTS / "cases").glob("*/*.py"))]
    assert files
    for command in (["format", "--check"], ["check"]):
        options = ["--isolated", "--no-cache"]
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *options, *files],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


def test_compiling_twice_gives_the_same_bytes() -> None:
    path = Path(CASES["macros_nested"])
    assert expected(path) == expected(path)
