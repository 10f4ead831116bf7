"""The exact text of every diagnostic about a file, beside the file that causes it."""

from pathlib import Path

import pytest

from neural_dsl.diagnostics.explain import codes
from tests.regenerate_errors import CASES, cases, diagnose, expected

NOT_IN_A_FILE = {"NE001", "NE002", "NE003"}  # tests/unit/test_parser_reading.py


@pytest.mark.parametrize(
    "path", cases(), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_a_bad_file_gets_exactly_the_expected_text(path: Path) -> None:
    golden = path.with_suffix(".err")
    assert golden.is_file(), (
        "run `python -m tests.regenerate_errors` and read the result"
    )
    assert expected(path) == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "path", cases(), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_a_bad_file_is_refused_for_the_reason_it_stands_for(path: Path) -> None:
    assert path.parent.name in {diagnostic.code for diagnostic in diagnose(path)}


def test_every_code_about_files_has_a_case() -> None:
    about_files = {code for code in codes() if int(code[2:]) < 80}
    without = about_files - NOT_IN_A_FILE - {path.name for path in CASES.iterdir()}
    assert not without, f"add tests/errors/<code>/<name>.neural for {sorted(without)}"
