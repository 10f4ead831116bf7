"""Layers in plain NumPy float64, written from their papers and from Keras' description,
independently of the emitted code: `ORACLES[layer](params, weights, x)`.

Weights are canonical, by their names below the layer's. A layer need not have an oracle:
that both backends agree is tested for all.
"""

from __future__ import annotations

from itertools import product
from math import erf

import numpy as np


def activated(name: str, x):
    """The activations that examples use."""
    if name == "softmax":
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    return {
        "linear": lambda: x,
        "relu": lambda: np.maximum(x, 0),
        "gelu": lambda: x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2))),
    }[name]()


def dense(params, weights, x):
    y = np.einsum("...i,oi->...o", x, weights["weight"]) + weights.get("bias", 0)
    return activated(params.get("activation", "linear"), y)


def taps(x, spans, strides, rates, padding, fill):
    """x (B, *space, C) -> the values under each window: (B, *results, *kernel, C)."""
    pads, results = [(0, 0)], []
    for size, kernel, step, rate in zip(
        x.shape[1:-1], spans, strides, rates, strict=True
    ):
        reach = (kernel - 1) * rate
        if padding == "valid":
            pad, count = (0, 0), (size - reach - 1) // step + 1
        elif padding == "causal":
            pad, count = (reach, 0), (size - 1) // step + 1
        else:
            count = -(-size // step)
            total = max((count - 1) * step + reach + 1 - size, 0)
            pad = (total // 2, total - total // 2)
        pads.append(pad)
        results.append(count)
    x = np.pad(x, [*pads, (0, 0)], constant_values=fill)
    found = np.zeros((len(x), *results, *spans, x.shape[-1]))
    for at in product(*map(range, results)):
        for tap in product(*map(range, spans)):
            place = tuple(
                i * step + k * rate
                for i, step, k, rate in zip(at, strides, tap, rates, strict=True)
            )
            found[(slice(None), *at, *tap)] = x[(slice(None), *place)]
    return found


def convolution(params, weights, x):
    kernel = weights["weight"]  # (filters, in / groups, *kernel)
    several = lambda value: value if isinstance(value, tuple) else (value,)  # noqa: E731
    spans, strides, rates = (
        several(params[name]) for name in ("kernel_size", "strides", "dilation_rate")
    )
    values = taps(x, spans, strides, rates, params["padding"], 0.0)
    outer = values.ndim - len(spans) - 1
    parts = []
    groups = params["groups"]
    for part, filters in zip(
        np.split(values, groups, axis=-1), np.split(kernel, groups), strict=True
    ):
        last = np.moveaxis(filters, 1, -1)  # (filters, *kernel, in / groups)
        flat = part.reshape(*part.shape[:outer], -1)
        parts.append(flat @ last.reshape(len(last), -1).T)
    y = np.concatenate(parts, axis=-1) + weights.get("bias", 0)
    return activated(params["activation"], y)


def max_pooling(params, weights, x):
    spans = params["pool_size"]
    values = taps(x, spans, params["strides"], (1, 1), params["padding"], -np.inf)
    return values.max(axis=(3, 4))


def layer_normalization(params, weights, x):
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + params["epsilon"])
    return centred / deviation * weights["weight"] + weights["bias"]


def rms_normalization(params, weights, x):
    square = (x**2).mean(axis=-1, keepdims=True)
    return x / np.sqrt(square + params["epsilon"]) * weights["weight"]


def batch_normalization(params, weights, x):
    scaled = (x - weights["running_mean"]) / np.sqrt(
        weights["running_var"] + params["epsilon"]
    )
    return scaled * weights["weight"] + weights["bias"]


def group_normalization(params, weights, x):
    y = np.empty_like(x)
    size = x.shape[-1] // params["groups"]
    for item in range(len(x)):
        for start in range(0, x.shape[-1], size):
            part = x[item, ..., start : start + size]
            y[item, ..., start : start + size] = (part - part.mean()) / np.sqrt(
                part.var() + params["epsilon"]
            )
    return y * weights["weight"] + weights["bias"]


ORACLES = {
    "Dense": dense,
    "Output": dense,
    "Conv1D": convolution,
    "Conv2D": convolution,
    "MaxPooling2D": max_pooling,
    "GlobalAveragePooling2D": lambda params, weights, x: x.mean(axis=(1, 2)),
    "Flatten": lambda params, weights, x: x.reshape(len(x), -1),
    "LayerNormalization": layer_normalization,
    "RMSNormalization": rms_normalization,
    "BatchNormalization": batch_normalization,
    "GroupNormalization": group_normalization,
}
