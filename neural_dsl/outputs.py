"""What a model's logits show: the activation of `Output`, applied where results are read.

The emitted model ends in logits, because losses are computed from them. The formulas are
those of `catalogue.activations`, in float64 so that rounding happens once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erf, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt


def shown(logits: npt.NDArray[np.float32], activation: str) -> npt.NDArray[np.float32]:
    """float32 logits of any shape -> `activation` of them, same shape, float32.

    `activation` is a canonical name of `catalogue.activations`; softmax and log_softmax
    go over the last axis.
    """
    if activation == "linear":
        return logits
    with np.errstate(over="ignore"):  # exp of a very low logit's negative: the limit, 0
        result = FUNCTIONS[activation](logits.astype(np.float64))
    return np.asarray(result, dtype=np.float32)


def _softmax(x: Any) -> Any:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _log_softmax(x: Any) -> Any:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _hard_sigmoid(x: Any) -> Any:
    return np.clip(x / 6 + 0.5, 0, 1)


def _elu(x: Any, scale: float = 1.0) -> Any:
    return np.where(x > 0, x, scale * np.expm1(np.minimum(x, 0)))


_erf = np.vectorize(erf, otypes=[float])

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": _elu,
    "selu": lambda x: 1.0507009873554805 * _elu(x, 1.6732632423543772),
    "celu": _elu,
    "gelu": lambda x: x * (0.5 * (1 + _erf(x / sqrt(2)))),
    "silu": lambda x: x * _sigmoid(x),
    "sigmoid": _sigmoid,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": lambda x: x * _hard_sigmoid(x),
    "tanh": np.tanh,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "softplus": lambda x: np.logaddexp(0, x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "exponential": np.exp,
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "log_sigmoid": lambda x: -np.logaddexp(0, -x),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "soft_shrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "squareplus": lambda x: (x + np.sqrt(x**2 + 4)) / 2,
}
