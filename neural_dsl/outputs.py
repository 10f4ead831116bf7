"""What a model's logits show: the activation of `Output`, applied where results are read.

The emitted model ends in logits, because losses are computed from them. The formulas are
those of `catalogue.activations`, in float64 so that rounding happens once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erf, sqrt
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]


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


def softmax(x: Floats) -> Floats:
    """exp(x) / sum(exp(x)) over the last axis, shifted so that nothing overflows."""
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def log_softmax(x: Floats) -> Floats:
    """log(softmax(x))."""
    shifted = x - x.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-x)))


def hard_sigmoid(x: Floats) -> Floats:
    """The straight-line sigmoid."""
    return np.clip(x / 6 + 0.5, 0, 1)


def gelu(x: Floats) -> Floats:
    """x times the normal distribution function, exact."""
    normal = np.vectorize(
        lambda value: 0.5 * (1 + erf(value / sqrt(2))), otypes=[float]
    )
    return np.asarray(x * normal(x))


def elu(x: Floats, scale: float = 1.0) -> Floats:
    """x above 0, scale (exp(x) - 1) below."""
    return np.where(x > 0, x, scale * np.expm1(np.minimum(x, 0)))


def softplus(x: Floats) -> Floats:
    """log(1 + exp(x))."""
    return np.asarray(np.logaddexp(0, x))


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": elu,
    "selu": lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772),
    "celu": elu,
    "gelu": gelu,
    "silu": lambda x: x * sigmoid(x),
    "sigmoid": sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": lambda x: x * hard_sigmoid(x),
    "tanh": np.tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "exponential": np.exp,
    "mish": lambda x: x * np.tanh(softplus(x)),
    "log_sigmoid": lambda x: -softplus(-x),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "soft_shrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "squareplus": lambda x: (x + np.sqrt(x**2 + 4)) / 2,
}
