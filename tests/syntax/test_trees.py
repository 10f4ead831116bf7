"""Files as users write them, and the trees that they mean, with every place."""

from pathlib import Path

import pytest

from tests.regenerate_trees import FILES, expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_means_exactly_its_golden_tree(path: Path) -> None:
    assert expected(path) == path.with_suffix(".tree").read_text(encoding="utf-8")
