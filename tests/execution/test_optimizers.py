"""Optimizers: one definition for both backends, held against NumPy and each other."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends.training import start_training
from neural_dsl.runs.task_files import tell_places
from neural_dsl.source import Source

STEPS = 10
FILE = """network Line {
  task: Arrays(path="PATH")
  input: (3,)
  layers: LAYERS
  optimizer: OPTIMIZER
  SCHEDULE
  train { steps: 10 batch_size: 8 MORE }
}"""
WARMUP = "lr_schedule: WarmupCosine(warmup_steps=3)"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty rows of numbers and what a line with some noise makes of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)).astype(np.float32)
    y = x @ [1.0, -2.0, 0.5] + 0.3 + 0.1 * rng.normal(size=40)
    path = tmp_path_factory.mktemp("data") / "line.npz"
    np.savez(path, x=x, y=y.astype(np.float32))
    return path


def begun(backend, data, optimizer, layers="Output(1)", schedule=WARMUP, more=""):
    text = FILE.replace("PATH", str(data)).replace("LAYERS", layers)
    text = text.replace("OPTIMIZER", optimizer).replace("SCHEDULE", schedule)
    source = Source("line.neural", text.replace("MORE", more))
    compiled = nd.compile(source, backend)
    return start_training(compiled, 0, "cpu", prepare=tell_places(compiled.network))


def updates(text, g, state, rate):
    """What one step takes away from a parameter: formulas, in float64."""
    if text.startswith("SGD"):
        v = state["v"] = 0.9 * state.get("v", 0) + g
        return rate * (g + 0.9 * v if "nesterov" in text else v)
    square = state["s"] = 0.9 * state.get("s", 0) + 0.1 * g**2
    mean = state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
    root = np.sqrt(square - mean**2 if "centered" in text else square)
    v = state["v"] = 0.5 * state.get("v", 0) + g / (root + 1e-7)
    return rate * v


@pytest.mark.parametrize(
    "text",
    [
        "SGD(0.05, momentum=0.9)",
        "SGD(0.05, momentum=0.9, nesterov=true)",
        "RMSprop(0.02, momentum=0.5)",
        "RMSprop(0.02, momentum=0.5, centered=true)",
    ],
)
@pytest.mark.parametrize("schedule", ["", WARMUP])
def test_momentum_holds_gradients_and_the_rate_stands_outside(
    backend, data, text, schedule
):
    live = begun(backend, data, text, schedule=schedule)
    start = live.runtime.weights()
    w, b = (start[f"output.{name}"].astype(np.float64) for name in ("weight", "bias"))
    states = ({}, {})
    for step in live.steps():
        x, y = live.module.batch(0, step.step - 1)
        error = x @ w[0] + b - y.reshape(-1)  # the mean of its square is the loss
        gradients = 2 * error @ x / len(x), 2 * error.mean()
        w = w - updates(text, gradients[0], states[0], step.learning_rate)
        b = b - updates(text, gradients[1], states[1], step.learning_rate)
    assert step.step == STEPS
    found = live.runtime.weights()
    np.testing.assert_allclose(found["output.weight"], w, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["output.bias"], b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "SGD(0.05, momentum=0.9, weight_decay=0.1)",
        "SGD(0.05, momentum=0.9, nesterov=true, clipnorm=0.5)",
        "Adam(0.01)",
        "AdamW(0.01, amsgrad=true, weight_decay=0.1)",
        "RMSprop(0.01, momentum=0.5, weight_decay=0.1)",
        "RMSprop(0.01, centered=true, clipvalue=0.1)",
        "Adagrad(0.05, weight_decay=0.1)",
        "Adadelta(0.5)",
        "Adamax(0.01, weight_decay=0.1, global_clipnorm=0.3)",
        "Nadam(0.01, weight_decay=0.1)",
    ],
)
def test_ten_steps_are_the_same_on_both_backends(both_backends, data, text):
    layers = 'Dense(8, activation="tanh") Output(1)'
    pair = [begun(backend, data, text, layers) for backend in both_backends]
    pair[1].runtime.load_weights(pair[0].runtime.weights())
    before = pair[0].runtime.weights()
    one, other = ([float(s.loss) for s in live.steps()] for live in pair)
    assert len(one) == STEPS
    np.testing.assert_allclose(one, other, rtol=1e-5)
    found = pair[1].runtime.weights()
    for name, array in pair[0].runtime.weights().items():
        np.testing.assert_allclose(found[name], array, atol=1e-5, err_msg=name)
        assert abs(array - before[name]).max() > 1e-4


@pytest.mark.parametrize(
    "text", ["SGD(0.1, weight_decay=0.5)", "AdamW(0.1, weight_decay=0.5)"]
)
def test_weight_decay_spares_biases(backend, data, text):
    changed = {}
    for decay in ("0.0", "0.5"):
        live = begun(backend, data, text.replace("0.5", decay), schedule="")
        start = live.runtime.weights()
        next(live.steps())
        end = live.runtime.weights()
        changed[decay] = {name: end[name] - start[name] for name in start}
    difference = {n: changed["0.5"][n] - changed["0.0"][n] for n in start}
    np.testing.assert_allclose(difference["output.bias"], 0, atol=1e-7)
    np.testing.assert_allclose(
        difference["output.weight"], -0.1 * 0.5 * start["output.weight"], atol=1e-6
    )


def test_accumulation_takes_the_mean_of_its_batches(backend, data):
    plain, several = (
        begun(backend, data, "SGD(0.1)", schedule="", more=f"shuffle: false {more}")
        for more in ("", "gradient_accumulation_steps: 2")
    )
    several.runtime.load_weights(plain.runtime.weights())
    several.module.BATCH_SIZE = 4
    for each in itertools.zip_longest(plain.steps(), several.steps()):
        assert float(each[0].loss) == pytest.approx(float(each[1].loss), rel=1e-5)
