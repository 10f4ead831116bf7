"""Folders of outputs: all files or none, and a full disk is said, whoever was writing."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from neural_dsl import leftovers
from neural_dsl.diagnostics import NeuralError
from neural_dsl.files import (
    OutputFolder,
    refuse_overwriting,
    refuse_unwritable,
    write_bytes,
)


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


KILLED = """
import os, signal
from pathlib import Path
from neural_dsl import files, leftovers

folder = files.OutputFolder(Path("."))
folder.staged("a.png").write_bytes(b"half")
os.replace = Path.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
files.write_bytes(Path("b.bin"), b"half")
"""


def test_what_a_killed_process_left_is_removed_by_the_next_that_writes(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 2 and all(name.endswith(".tmp") for name in left)
    write_bytes(tmp_path / "c.bin", b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["c.bin"]


def test_what_others_write_at_the_moment_and_foreign_files_stay(tmp_path):
    own, parent = leftovers.mark(), f"{os.getppid()}-0123abcd"
    kept = [f".a.{own}.tmp", f".a.{parent}.tmp", ".notes.tmp", ".a.0123abcd.tmp"]
    for name in kept:
        (tmp_path / name).touch()
    dead = subprocess.Popen(["true"])
    dead.wait()
    locked = tmp_path / f".b.{dead.pid}-0123abcd.tmp"
    gone = tmp_path / f".c.{dead.pid}-0123abcd.tmp"
    gone.touch()
    with locked.open("wb") as file:  # as one that another container writes
        assert leftovers.lock(file.fileno())
        write_bytes(tmp_path / "d", b"")
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {*kept, locked.name, "d"}
    write_bytes(tmp_path / "d", b"")
    assert not locked.exists()


def test_a_circle_of_links_is_refused_in_words(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for act in (
        lambda path: write_bytes(path, b""),
        refuse_unwritable,
        lambda path: refuse_overwriting(path, tmp_path / "x.neural"),
    ):
        with pytest.raises(NeuralError, match=r"NE134: cannot write .*: "):
            act(tmp_path / "a")
    with pytest.raises(NeuralError, match="NE134"):
        OutputFolder(tmp_path / "a")


def test_a_name_with_a_nul_is_refused_in_words(tmp_path):
    for act in (
        lambda path: write_bytes(path, b""),
        refuse_unwritable,
        lambda path: refuse_overwriting(path, tmp_path / "x.neural"),
    ):
        with pytest.raises(NeuralError, match=r"NE134: .*a\\x00b`: it holds a NUL"):
            act(tmp_path / "a\0b")


def test_a_link_to_a_model_is_no_place_to_write(tmp_path):
    model = tmp_path / "other.neural"
    model.write_text("network A { }")
    (tmp_path / "link.py").symlink_to(model)
    with pytest.raises(NeuralError, match="NE136"):
        refuse_overwriting(tmp_path / "link.py", tmp_path / "x.neural")


def test_of_a_link_that_leads_nowhere_the_folder_that_is_missing_is_named(tmp_path):
    link = tmp_path / "link.py"
    link.symlink_to(tmp_path / "missing" / "x.py")
    with pytest.raises(NeuralError) as caught:
        write_bytes(link, b"")
    assert caught.value.diagnostics[0].help.endswith(f"mkdir -p {tmp_path / 'missing'}")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_is_written_where_somebody_reads_it_and_refused_where_nobody_does(
    tmp_path,
):
    pipe, much = tmp_path / "pipe", b"x" * 300_000  # more than a pipe holds
    os.mkfifo(pipe)
    with pytest.raises(NeuralError, match=r"NE134: cannot write .*pipe"):
        write_bytes(pipe, much)
    copy = tmp_path / "copy"
    with subprocess.Popen(["cp", pipe, copy]) as reader:
        descriptor = os.open(pipe, os.O_WRONLY)  # waits for it
        write_bytes(pipe, much)
        os.close(descriptor)
        assert reader.wait(10) == 0
    assert copy.read_bytes() == much
