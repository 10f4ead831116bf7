"""Whatever a file calls its inputs, layers, branches, macros and networks: the emitted file
runs and is as clean as ever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends import canonical, create_runtime
from neural_dsl.diagnostics import NeuralError
from tests.naming import LONG, ROLES, TAKEN
from tests.parity.random_models import random_inputs

NAMES = [*TAKEN, LONG]
KEPT = {"NE010", "NE032", "NE039", "NE044", "NE052", "NE055"}
"""Words that mean something else in a place: a section, a layer, the input itself."""
RUN_ON_TENSORFLOW = {"inputs", "x", "mask", "dense", "repeat", "ops", "i", LONG}
"""Keras takes half a second to build a model: there these names are run, all are linted."""
RUNNER = """
import contextlib, io, runpy, sys, traceback
failed = {}
for path in sys.argv[1:]:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(path, run_name="__main__")
    except Exception:
        failed[path] = traceback.format_exc()[-600:]
sys.exit("\\n".join(f"{k}: {v}" for k, v in failed.items()) or None)
"""


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory, backend: str) -> Path:
    """A folder with every file of this backend that `check` accepts: `ROLE/NAME.py`."""
    folder = tmp_path_factory.mktemp(backend)
    for role, template in ROLES.items():
        place = folder / role
        place.mkdir()
        for name in NAMES:
            try:
                model = nd.compile(template.format(name), backend)
            except NeuralError as error:
                found = [d for d in error.diagnostics if d.severity == "error"]
                assert {d.code for d in found} <= KEPT, (role, name, error)
                assert all(d.span for d in found), (role, name, error)
            else:
                # Behind an underscore, so that no script stands in for a module.
                (place / f"_{name}.py").write_text(model.code, encoding="utf-8")
        assert len(list(place.iterdir())) > len(NAMES) * 0.9, role
    return folder


def complaints(command: list[str], folder: Path) -> str:
    """What a command says when it fails, else nothing."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_a_file_runs_whatever_its_names_are(emitted: Path, backend: str) -> None:
    chosen = NAMES if backend == "pytorch" else RUN_ON_TENSORFLOW
    files = [str(p) for n in sorted(chosen) for p in sorted(emitted.glob(f"*/_{n}.py"))]
    assert len(files) >= len(ROLES) * len(chosen) * 0.9
    assert not complaints(["-c", RUNNER, *files], emitted)


@pytest.mark.parametrize("command", ["check", "format --check"])
def test_a_file_is_clean_whatever_its_names_are(emitted: Path, command: str) -> None:
    options = ["-m", "ruff", *command.split(), "--isolated", "--no-cache", "."]
    assert not complaints(options, emitted)


COLLISIONS = {
    "an input and the Output": "network N { input: {input: (4,), output: (4,)} "
    "layers: Add() Output(3) }",
    "an input and a layer's canonical name": "network N { input: {dense: (4,), b: (4,)} "
    "layers: dense: { Dense(4) } b: { Dense(4, name='b') } Add() Output(3) }",
    "a macro, an input and a branch": "define Enc(n) { Dense($n) Dense(3) } network A { "
    "input: {Enc: (5,), b: (5,)} layers: Enc: { Enc(4) } b: { Dense(3) Enc(6) } "
    "Add() Output(2) }",
    "a macro and a branch": "define Enc(n) { Dense($n) Dense(3) } network A { "
    "input: (5,) layers: Enc: { Enc(4) } dec: { Dense(3) Enc(6) } Add() Output(2) }",
    "a macro and layers": "define dense_0 { Dense(4) } network A { input: (4,) layers: "
    "dense_0() Dense(4, 'relu') dense_0() Dense(4, name='dense_layers') Dense(4) * 2 }",
    "a repeated macro and layers": "define Blk { Dense(4) Dense(4) } network A { "
    "input: (4,) layers: Blk() * 2 Dense(4, name='blk_layers_0') Dense(4, name='blk') }",
    "what Keras calls masks": "network N { input: {repeat: (3,), not_equal: (3,)} layers: "
    "repeat: { Embedding(5, 4, name='not_equal_1') } "
    "not_equal: { Embedding(5, 4, mask_zero=true, name='mask_concatenate') } "
    "Concatenate(axis=1) Dense(4, name='_ones_like') * 2 GlobalAveragePooling1D() }",
}


@pytest.mark.parametrize("case", COLLISIONS)
def test_names_that_meet_change_no_weight_and_no_value(
    case: str, both_backends: tuple[str, str]
) -> None:
    text = COLLISIONS[case]
    # Twice on TensorFlow: Keras numbers its own names on from model to model.
    one, _, other = (
        create_runtime(nd.compile(text, b)) for b in (*both_backends, "tensorflow")
    )
    for runtime in (one, other):
        shapes = {name: array.shape for name, array in runtime.weights().items()}
        assert shapes == canonical.expected(one.network)
    other.load_weights(one.weights())
    inputs = random_inputs(one.network, 0)
    np.testing.assert_allclose(other.run(inputs), one.run(inputs), atol=1e-5)
