"""TensorBoard reads what a run wrote, on both backends and after an interruption."""

import json
import sys
from pathlib import Path

import pytest

from neural_dsl.runs.journal import Scalars
from tests.cli.training_files import COPY


def read(folder="runs/model/tensorboard"):
    """Name -> {step: value}, by TensorBoard itself."""
    library = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    found = library.EventAccumulator(str(folder))
    found.Reload()
    names = found.Tags()["scalars"]
    return {name: {e.step: e.value for e in found.Scalars(name)} for name in names}


def test_tensorboard_reads_the_numbers_of_a_run(neural, file, backend):
    path = file(COPY.replace("steps: 160", "steps: 6").replace(": 40", ": 3"))
    pytest.importorskip("tensorboard")
    assert neural("train", path, "--backend", backend).code == 0
    lines = Path("runs/model/metrics.jsonl").read_text("utf-8").splitlines()
    written = [json.loads(line) for line in lines]
    for name in ("loss", "learning_rate", "validation_loss", "validation_exact_match"):
        part = "validation/" if name.startswith("validation") else "train/"
        shown = read()[part + name.removeprefix("validation_")]
        wanted = {line["step"]: line[name] for line in written if name in line}
        assert shown == pytest.approx(wanted, rel=1e-6) and shown


def test_what_an_interrupted_run_wrote_too_much_is_forgotten(tmp_path):
    pytest.importorskip("tensorboard")
    first = Scalars(tmp_path, 1)
    for step in range(1, 6):
        first.write(step, {"train/loss": 1.0})
    first.file.close()
    again = Scalars(tmp_path, 4)  # the checkpoint was of step 3
    again.write(4, {"train/loss": 2.0})
    again.file.close()
    assert read(tmp_path / "tensorboard") == {
        "train/loss": {1: 1.0, 2: 1.0, 3: 1.0, 4: 2.0}
    }


@pytest.mark.needs("torch")
def test_without_tensorboard_a_run_says_so_in_its_log(neural, file, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    path = file(COPY.replace("steps: 160", "steps: 2").replace(": 40", ": 2"))
    assert neural("train", path).code == 0
    assert not Path("runs/model/tensorboard").exists()
    (log,) = Path("runs/model").glob("log-*.txt")
    assert "TensorBoard is not installed" in log.read_text("utf-8")
