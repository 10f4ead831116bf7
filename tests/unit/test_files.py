"""Folders of outputs: all files or none, and a full disk is said, whoever was writing."""

import errno

import pytest

from neural_dsl.diagnostics import NeuralError
from neural_dsl.files import OutputFolder


def test_a_full_disk_under_a_library_names_the_folder_and_leaves_nothing(tmp_path):
    place = tmp_path / "pictures"
    with pytest.raises(NeuralError, match=r"NE134: cannot write .*pictures"):  # noqa: SIM117
        with OutputFolder(place) as folder:
            folder.staged("a.png").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
    assert not place.exists()


def test_other_errors_of_the_system_are_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(FileNotFoundError), OutputFolder(tmp_path / "pictures"):
        (tmp_path / "absent").read_bytes()
    assert not (tmp_path / "pictures").exists()
