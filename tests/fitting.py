"""A line through 40 rows, for tests of `fit`: its data and, by definition, its weights."""

from __future__ import annotations

import numpy as np

import neural_dsl as nd
from neural_dsl.backends import create_runtime

FILE = """network Line {{
  input: (3,)
  layers: {}
  {}
}}"""
ROWS, BATCH = 40, 8
CLASSES = np.arange(ROWS) % 4
HEAD = 'Output(4, activation="softmax")'


def data():
    x = np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32)
    return x, (x @ [[1.0], [-2.0], [0.5]] + 0.3).astype(np.float32)


def compiled(settings, backend, layers="Output(1)"):
    return nd.compile(FILE.format(layers, settings), backend)


def begun(settings, backend, layers="Output(1)"):
    """The runtime, and its first weights."""
    runtime = create_runtime(compiled(settings, backend, layers), 0)
    return runtime, {name: array.copy() for name, array in runtime.weights().items()}


def expected(start, rates, momentum=0.0, clip=None, parts=1):
    """The weights of a line after steps at these rates, by definition, in float64."""
    x, y = data()
    w = np.append(start["output.weight"][0], start["output.bias"]).astype(np.float64)
    x = np.column_stack([x, np.ones(ROWS)])
    velocity = np.zeros(4)
    stream = [slice(i, i + BATCH) for i in range(0, ROWS, BATCH)] * 9
    for step, rate in enumerate(rates):
        gradient = np.mean(
            [
                2 * (x[b] @ w - y[b, 0]) @ x[b] / len(x[b])
                for b in stream[step * parts : (step + 1) * parts]
            ],
            axis=0,
        )
        if clip:
            gradient *= min(1, clip / np.linalg.norm(gradient))
        velocity = momentum * velocity + gradient
        w = w - rate * velocity
    return w


def rates_of(runtime, total, *more):
    return [runtime.module.learning_rate(step, *more) for step in range(total)]


def agrees(runtime, wanted):
    found = runtime.weights()
    w = np.append(found["output.weight"][0], found["output.bias"])
    np.testing.assert_allclose(w, wanted, rtol=1e-5, atol=1e-6)


def smoothed(runtime, share):
    """The loss of each row's class with this share of label smoothing, by definition, and
    the share of rows that the model gets right."""
    logits = runtime.run({"input": data()[0]}).astype(np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    chosen = log_p[np.arange(ROWS), CLASSES]
    losses = -((1 - share) * chosen + share * log_p.mean(-1))
    return losses, (logits.argmax(-1) == CLASSES).mean()
