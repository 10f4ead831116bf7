"""The wheel: what users install must hold everything, outside of any checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli.conftest import BASIC, drawn

ROOT = Path(__file__).parents[2]
SOURCES = ["neural_dsl", "grammar", "templates"]
SINGLE = ["setup.py", "pyproject.toml", "README.md", "LICENSE"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy, so that the checkout gets no build folders."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=ignored)
    for name in SINGLE:
        shutil.copy(ROOT / name, folder / "source" / name)
    pip(
        *("wheel", "--no-deps", "--no-build-isolation", "-w", folder / "dist"),
        folder / "source",
    )
    (built,) = (folder / "dist").iterdir()
    return built


def pip(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "pip", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The `neural` program of a fresh environment with the wheel in it.

    The libraries come from the environment of the tests, by a path file, which does not
    bring its editable installs along.
    """
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip("--python", folder, "install", "--no-deps", "--no-index", wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    libraries = [place for place in sys.path if place.endswith("-packages")]
    (packages / "libraries.pth").write_text("\n".join(libraries))
    return folder / "bin" / "neural"


def test_the_wheel_holds_grammar_templates_pages_and_types(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for source, target in (
        ("neural_dsl", "neural_dsl"),
        ("grammar", "neural_dsl/grammar"),
        ("templates", "neural_dsl/templates"),
    ):
        for path in (ROOT / source).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"{target}/{path.relative_to(ROOT / source).as_posix()}" in names
    assert not [
        name for name in names if name.startswith(("tests", "docs", "examples"))
    ]


@pytest.mark.needs("torch")
def test_the_installed_wheel_does_the_main_job(installed, tmp_path):
    shutil.copy(BASIC, tmp_path / "model.neural")
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def neural(*arguments):
        done = subprocess.run(
            [installed, *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=clean,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [
            installed.parent / "python",
            "-c",
            "import neural_dsl; print(neural_dsl.__file__)",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=clean,
    )
    assert where.stdout.startswith(str(installed.parents[1]))
    neural("check", "model.neural")
    assert "TransformerEncoder" in neural("summary", "model.neural")
    assert "keras" in neural("compile", "model.neural", "--backend", "tensorflow")
    assert neural("explain", "NE021").startswith("# NE021")
    neural("visualize", "model.neural")
    out = neural("visualize", "model.neural", "--attention", "--backend", "pytorch")
    assert out.startswith("Attention Analysis:")
    names = {path.name for path in (tmp_path / "attention_outputs").iterdir()}
    data = {"attention.npz", "attention_metrics.json", "compiled_model_pytorch.py"}
    assert names == data | drawn("attention", "transformer_encoder")
