"""The losses and measures of training in NumPy: what the emitted files are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl.rules.measures import Goal

IGNORED = -100

Array = npt.NDArray[Any]
Float64 = npt.NDArray[np.float64]


def mean_loss(aim: Goal, smoothing: float, logits: Float64, targets: Array) -> float:
    """The mean loss of some examples. `aim` is what they learn towards."""
    name, params = aim.loss.name, aim.loss.params
    if name.endswith("categorical_crossentropy"):
        log_p = log_softmax(logits)
        if name.startswith("sparse"):
            counted = targets != IGNORED if aim.tokens else np.full(targets.shape, True)
            rows = log_p[counted]
            likelihood = rows[np.arange(len(rows)), targets[counted]]
        else:
            rows = log_p.reshape(-1, log_p.shape[-1])
            likelihood = (rows * targets.reshape(rows.shape)).sum(axis=-1)
        return float(-((1 - smoothing) * likelihood + smoothing * rows.mean(-1)).mean())
    y = targets.astype(np.float64).reshape(logits.shape)
    if name == "binary_crossentropy":
        y = y * (1 - smoothing) + smoothing / 2
        return float((np.logaddexp(0, logits) - y * logits).mean())
    error = logits - y
    if name == "mean_squared_error":
        return float((error**2).mean())
    if name == "mean_absolute_error":
        return float(abs(error).mean())
    if name == "huber":
        delta = params["delta"]
        far = delta * (abs(error) - delta / 2)
        return float(np.where(abs(error) <= delta, error**2 / 2, far).mean())
    assert name == "log_cosh", name
    return float((np.logaddexp(error, -error) - np.log(2)).mean())


def count_right(aim: Goal, logits: Float64, targets: Array) -> int:
    """How many examples are right as a whole."""
    name = aim.loss.name
    if name == "binary_crossentropy":
        hits = (logits > 0) == (targets.reshape(logits.shape) > 0)
    elif name == "categorical_crossentropy":
        hits = logits.argmax(-1) == targets.argmax(-1)
    else:
        hits = logits.argmax(-1) == targets
        if aim.tokens:
            hits |= targets == IGNORED
    return int(hits.reshape(len(targets), -1).all(axis=1).sum())


def log_softmax(logits: Float64) -> Float64:
    """Logarithms of probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    normal: Float64 = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normal
