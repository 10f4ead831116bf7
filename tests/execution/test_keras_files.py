"""What Keras itself keeps of an emitted model: `.keras` files, and the paths of weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends import canonical, create_runtime
from neural_dsl.source import Source
from tests.parity.random_models import random_inputs
from tests.regenerate import cases

pytestmark = pytest.mark.needs("tensorflow")

CASES = {
    name: path
    for name, path in cases().items()
    if "task:" not in path.read_text(encoding="utf-8")
}
LOADER = """
import importlib, os, sys
import keras, numpy as np
for name in sys.argv[1:]:
    importlib.import_module(name + ".emitted")
    model = keras.saving.load_model(f"{name}/model.keras")
    given = np.load(f"{name}/inputs.npz")
    inputs = [given[key] for key in given.files]
    found = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    np.save(f"{name}/found.npy", found)
"""
SAVED = [
    "macros_nested",
    "residual_branches",
    "encoder_variants",
    "encoder_decoder_masked",
    "cross_attention",
    "two_towers",
]


def runtime_of(name: str):
    text = CASES[name].read_text(encoding="utf-8")
    compiled = nd.compile(Source("model.neural", text), "tensorflow")
    return create_runtime(compiled, 0)


def test_every_weight_has_one_path_and_keras_files_load(tmp_path: Path) -> None:
    wanted = {}
    for name in SAVED:
        runtime = runtime_of(name)
        paths = [weight.path for weight in runtime.model.weights]
        assert len(set(paths)) == len(paths), "no two weights share a name"
        assert len(paths) == len(canonical.expected(runtime.network))
        again = runtime_of(name).model  # Keras counts its own names on
        assert [weight.path for weight in again.weights] == paths
        inputs = random_inputs(runtime.network, seed=0)
        wanted[name] = runtime.run(inputs)
        folder = tmp_path / name
        folder.mkdir()
        (folder / "emitted.py").write_text(runtime.compiled.code, encoding="utf-8")
        np.savez(folder / "inputs.npz", **inputs)
        runtime.model.save(folder / "model.keras")
    done = subprocess.run(
        [sys.executable, "-c", LOADER, *SAVED],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for name, output in wanted.items():
        found = np.load(tmp_path / name / "found.npy")
        np.testing.assert_allclose(found, output, atol=1e-6, err_msg=name)
