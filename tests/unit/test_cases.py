"""Every case still compiles to the files that were read and approved."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from neural_dsl.catalogue.backends import BACKENDS
from tests.regenerate import (
    TESTS,
    WHOLE,
    cases,
    chdir,
    expected,
    parts,
    whole_files,
)
from tests.training_parts import FOLDER
from tests.training_parts import whole_files as files_of_options

CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_the_graph_and_the_code_of_a_case_are_as_expected(name: str) -> None:
    folder = TESTS / "cases" / name
    for file_name, text in expected(name, CASES[name]).items():
        wanted = (folder / file_name).read_text(encoding="utf-8")
        assert text == wanted, f"differs: python -m tests.regenerate {name}"


def test_what_the_options_of_a_training_bring_is_as_expected() -> None:
    found = parts()
    assert {p.name for p in (TESTS / "parts").iterdir()} == set(found)
    for file_name, text in found.items():
        wanted = (TESTS / "parts" / file_name).read_text(encoding="utf-8")
        assert text == wanted, f"{file_name} differs: python -m tests.regenerate parts"


LIMITS = {
    "example_copy": 280,
    "example_addition": 280,
    "example_char": 280,
    "example_basic_transformer": 110,
}


@pytest.mark.parametrize("backend", list(BACKENDS))
@pytest.mark.parametrize("name", LIMITS)
def test_an_emitted_file_is_short_enough_to_be_read(name: str, backend: str) -> None:
    """Lines of the whole file as Ruff formats it, which is how it is written."""
    lines = len(whole_files(CASES[name])[backend].splitlines())
    assert lines <= LIMITS[name]


STANDARD = {
    *("__future__", "collections", "copy", "dataclasses", "functools", "hashlib"),
    *("math", "os", "pathlib", "re", "string", "typing"),
}
# `tokenizers` where a text is cut into parts of words, and only then imported.
SHARED = STANDARD | {"numpy", "safetensors", "tokenizers"}
ALLOWED = {
    "pytorch": SHARED | {"torch"},
    "tensorflow": SHARED | {"keras", "tensorflow"},
}


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_an_emitted_file_imports_only_its_framework(backend: str) -> None:
    for file in CASES.values():
        found = set()
        for node in ast.walk(ast.parse(whole_files(file)[backend])):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module or "")
        assert {name.partition(".")[0] for name in found} <= ALLOWED[backend], file


def test_no_case_is_left_over() -> None:
    assert {p.name for p in (TESTS / "cases").iterdir() if p.is_dir()} == set(CASES)
    assert set(CASES) > WHOLE


def test_emitted_code_is_clean_under_ruff(tmp_path: Path) -> None:
    """The files that are kept, the whole file of every case and of every option."""
    files = {str(p): "" for p in sorted((TESTS / "cases").glob("*/*.py"))}
    for name, path in CASES.items():
        for backend, code in whole_files(path).items():
            files[str(tmp_path / f"{name}_{backend}.py")] = code
    with chdir(FOLDER):
        for backend in BACKENDS:
            for number, code in enumerate(files_of_options(backend)):
                files[str(tmp_path / f"option_{number}_{backend}.py")] = code
    for file, code in files.items():
        if code:
            Path(file).write_text(code, encoding="utf-8")
    for command in (["format", "--check"], ["check"]):
        options = ["--isolated", "--no-cache"]
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *options, *files],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


def test_compiling_twice_gives_the_same_bytes() -> None:
    for name in ("macros_nested", "example_copy"):
        assert expected(name, CASES[name]) == expected(name, CASES[name])
