"""`neural compile`: stages, streams, names and files."""

import ast
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from neural_dsl import files
from neural_dsl.catalogue.backends import BACKENDS
from tests.cli.conftest import BASIC, PLAIN, SMALL

PROC = pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.mark.parametrize("framework", list(BACKENDS))
def test_code_goes_to_stdout_or_to_a_file(neural, framework, tmp_path):
    shown = neural("compile", BASIC, "--backend", framework)
    assert shown.code == 0 and shown.err == ""
    ast.parse(shown.out)
    saved = neural("compile", BASIC, "--backend", framework, "-o", "model_code.py")
    assert saved.code == 0 and saved.out == ""
    text = (tmp_path / "model_code.py").read_text(encoding="utf-8")
    # The docstring names the file to run; nothing else differs.
    name = f"compiled_model_{framework}.py"
    assert text == shown.out.replace(name, "model_code.py")


def test_the_default_backend_is_the_files_then_the_environments(
    neural, file, monkeypatch
):
    plain = file(SMALL)
    monkeypatch.setenv("NEURAL_BACKEND", "tensorflow")
    assert "import keras" in neural("compile", plain).out
    assert "import torch" in neural("compile", plain, "--backend", "pytorch").out
    wish = SMALL.replace("layers:", 'execution { backend: "pytorch" }\n  layers:')
    assert "import torch" in neural("compile", file(wish, "wish.neural")).out
    monkeypatch.setenv("NEURAL_BACKEND", "jax")
    unknown = neural("compile", plain)
    assert (
        unknown.code == 1 and "NEURAL_BACKEND" in unknown.err and "`jax`" in unknown.err
    )


def test_earlier_stages_can_be_shown(neural, file):
    graph = neural("compile", BASIC, "--emit", "ir").out
    assert graph.startswith("network BasicTransformer\n")
    assert "transformer_encoder" in graph
    unknown = file("network A { input: (4) layers: Unheard(3) }")
    tree = neural("compile", unknown, "--emit", "syntax")
    assert tree.code == 0 and "LayerNode" in tree.out and "Unheard" in tree.out
    assert neural("compile", unknown, "--emit", "ir").code == 1


def test_one_of_several_networks_is_chosen(neural, file):
    both = file(SMALL + PLAIN)
    assert "class Plain" in neural("compile", both, "--backend", "pytorch").out
    chosen = neural("compile", both, "--backend", "pytorch", "--network", "Small")
    assert "class Small" in chosen.out
    missing = neural("compile", both, "--network", "Smal")
    assert missing.code == 1 and "Small" in missing.err and missing.out == ""


def test_warnings_go_to_stderr_and_the_code_to_stdout(neural, file):
    wide = file(PLAIN.replace("Dense(3,", "Dense(HPO(choice(5, 64)),"))
    result = neural("compile", wide, "--backend", "pytorch")
    assert result.code == 0 and "warning[" in result.err
    ast.parse(result.out)


@pytest.mark.parametrize(
    "name", ["copy.py", "torch.py", "keras.py", "numpy.py", "os.py"]
)
def test_a_name_that_hides_a_module_is_refused_with_a_better_one(
    neural, name, tmp_path
):
    result = neural("compile", BASIC, "-o", name)
    assert result.code == 1
    assert "NE135" in result.err and name.replace(".py", "_model.py") in result.err
    assert not list(tmp_path.iterdir())


def test_the_source_is_never_overwritten(neural, file):
    source = file(PLAIN)
    for name in ("model.neural", "./model.neural", source):
        result = neural("compile", source, "-o", name)
        assert result.code == 1 and "NE136" in result.err
    assert source.read_text(encoding="utf-8") == PLAIN


@pytest.mark.parametrize("name", ["other.neural", "new.nr"])
def test_no_other_model_is_overwritten_either(neural, file, name, tmp_path):
    other = file(SMALL, "other.neural")
    result = neural("compile", file(PLAIN), "-o", name)
    assert result.code == 1 and "NE136" in result.err
    assert other.read_text(encoding="utf-8") == SMALL
    assert not (tmp_path / "new.nr").exists()


def test_a_dash_is_stdout(neural, tmp_path):
    plain = neural("compile", BASIC, "--backend", "pytorch")
    dash = neural("compile", BASIC, "--backend", "pytorch", "-o", "-")
    assert dash == plain
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("none/x.py", "no such file or directory"),
        (".", "is a directory"),
        ("file/x.py", "not a directory"),
        ("x" * 300 + ".py", "name too long"),
        pytest.param("/proc/x.py", "nothing new can be made in `/proc`", marks=PROC),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(neural, target, said, tmp_path):
    (tmp_path / "file").write_text("old")
    result = neural("compile", BASIC, "-o", target)
    assert result.code == 1 and "NE134" in result.err and said in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(IS_ROOT, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(neural, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    result = neural("compile", BASIC, "-o", locked / "x.py")
    assert result.code == 1 and "permission denied" in result.err


def test_a_full_disk_leaves_the_old_file(neural, tmp_path, monkeypatch):
    target = tmp_path / "model_code.py"
    target.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    result = neural("compile", BASIC, "-o", target)
    assert result.code == 1 and "no space left on device" in result.err
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model_code.py"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a Linux device")
def test_a_full_device_is_an_error(neural):
    result = neural("compile", BASIC, "-o", "/dev/full")
    assert result.code == 1 and "NE134" in result.err
    done = subprocess.run(
        f"{sys.executable} -m neural_dsl compile {BASIC} > /dev/full",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "No space left" in done.stderr


def test_files_keep_their_mode_and_links_stay_links(neural, tmp_path):
    target, link = tmp_path / "real.py", tmp_path / "link.py"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    assert neural("compile", BASIC, "-o", link).code == 0
    assert link.is_symlink() and target.read_text() != "old"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    fresh = tmp_path / "fresh.py"
    assert neural("compile", BASIC, "-o", fresh).code == 0
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o666 & ~mask


def test_the_result_may_go_to_a_device(neural):
    assert neural("compile", BASIC, "-o", os.devnull).code == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\0", b"\xff\xfe\xfa", b"network", b"}" * 1000, b"(" * 100_000],
)
def test_garbage_is_refused_in_words(neural, content, tmp_path):
    path = tmp_path / "model.neural"
    path.write_bytes(content)
    for command in (
        ["check"],
        ["summary"],
        ["compile"],
        ["compile", "--emit", "syntax"],
    ):
        result = neural(*command, path)
        assert result.code == 1 and result.out == ""
        assert "error[NE0" in result.err and "internal error" not in result.err


def test_missing_files_and_folders_are_refused(neural, tmp_path):
    for command in ("check", "summary", "compile", "run", "visualize"):
        for path in (tmp_path / "none.neural", tmp_path):
            result = neural(command, path)
            assert result.code == 1 and "error[NE" in result.err, (command, path)
