"""The losses and measures in NumPy are those that the emitted files compute."""

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends import create_runtime
from neural_dsl.codegen.training import training_plan
from neural_dsl.graph.nodes import Setting
from neural_dsl.rules.measures import Goal, goal_of
from neural_dsl.source import Source, Span
from tests.losses_oracle import count_right, mean_loss

CASES = [
    ("sparse_categorical_crossentropy", "softmax", ""),
    ("sparse_categorical_crossentropy", "softmax", "label_smoothing: 0.1"),
    ("categorical_crossentropy", "softmax", "label_smoothing: 0.2"),
    ("binary_crossentropy", "sigmoid", ""),
    ("binary_crossentropy", "sigmoid", "label_smoothing: 0.1"),
    ("mse", "linear", ""),
    ("mae", "linear", ""),
    ("huber", "linear", ""),
    ("log_cosh", "linear", ""),
]


@pytest.mark.parametrize(("loss", "activation", "more"), CASES)
def test_both_compute_the_same(backend, tmp_path, monkeypatch, loss, activation, more):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    logits = (3 * rng.normal(size=(50, 4))).astype(np.float32)
    targets = {
        "sparse_categorical_crossentropy": rng.integers(0, 4, 50),
        "categorical_crossentropy": np.eye(4, dtype=np.int64)[rng.integers(0, 4, 50)],
        "binary_crossentropy": rng.integers(0, 2, (50, 4)),
    }.get(loss, rng.normal(size=(50, 4)).astype(np.float32))
    np.savez("train.npz", x=logits, y=targets)
    text = (
        'network N {\n input: (4,)\n task: Arrays("train.npz")\n'
        f' layers: Dense(4) Output(4, "{activation}")\n loss: "{loss}"\n'
        f" train {{ steps: 2 {more} }}\n}}\n"
    )
    compiled = nd.compile(Source("n.neural", text), backend)
    module = create_runtime(compiled).module
    if backend == "pytorch":
        import torch

        arrays = torch.tensor(logits), torch.tensor(targets)
    else:
        import tensorflow as tf

        arrays = tf.constant(logits), tf.constant(targets)
    smoothing = training_plan(compiled.network, compiled.paths).label_smoothing
    goal = goal_of(compiled.network)
    for share in {0.0, smoothing}:  # tests and validations leave smoothing out
        made = module.loss_function(*arrays, *([share] if share else []))
        assert mean_loss(
            goal, share, logits.astype(np.float64), targets
        ) == pytest.approx(float(made), rel=1e-5)


def test_examples_count_when_they_are_right_as_a_whole():
    def right(name, logits, targets, tokens=False):
        aim = Goal(tokens, Setting(name, {}, Span(0, 0)), "accuracy", (), ())
        return count_right(aim, np.array(logits, dtype=float), np.array(targets))

    assert right("sparse_categorical_crossentropy", [[1, 2], [3, 1]], [1, 1]) == 1
    rows = [[[0, 1], [1, 0]], [[0, 1], [0, 1]]]
    assert right("sparse_categorical_crossentropy", rows, [[1, 0], [1, 0]]) == 1
    ignored = [[1, -100], [1, -100]]
    assert right("sparse_categorical_crossentropy", rows, ignored, tokens=True) == 2
    assert right("categorical_crossentropy", [[1, 2], [3, 1]], [[0, 1], [0, 1]]) == 1
    assert right("binary_crossentropy", [[1.0], [-1.0]], [1, 1]) == 1
