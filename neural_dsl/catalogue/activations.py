"""The activations of the language: one canonical name each, with aliases and meaning.

Definitions follow Keras 3 (`keras.activations`), constants included.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Activation:
    """A function of one tensor, shape kept. `formula` is for reading, not for parsing."""

    name: str
    formula: str
    aliases: tuple[str, ...] = ()


_FORMULAS = {
    "linear none identity": "x",
    "relu": "max(x, 0)",
    "relu6": "min(max(x, 0), 6)",
    "leaky_relu leakyrelu": "x if x > 0 else 0.2 x",
    "elu": "x if x > 0 else exp(x) - 1",
    "selu": "1.0507 (x if x > 0 else 1.6733 (exp(x) - 1))",
    "celu": "max(x, 0) + min(exp(x) - 1, 0)",
    "gelu": "x Φ(x), with the exact normal distribution Φ (erf)",
    "silu swish": "x sigmoid(x)",
    "sigmoid": "1 / (1 + exp(-x))",
    "hard_sigmoid hardsigmoid": "min(max(x / 6 + 1/2, 0), 1)",
    "hard_silu hard_swish hardswish hardsilu": "x hard_sigmoid(x)",
    "tanh": "(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
    "softmax": "exp(x) / sum(exp(x)) over the last axis",
    "log_softmax logsoftmax": "x - log(sum(exp(x))) over the last axis",
    "softplus soft_plus": "log(1 + exp(x))",
    "softsign soft_sign": "x / (1 + |x|)",
    "exponential exp": "exp(x)",
    "mish": "x tanh(softplus(x))",
    "log_sigmoid logsigmoid": "-log(1 + exp(-x))",
    "hard_tanh hardtanh": "min(max(x, -1), 1)",
    "tanh_shrink tanhshrink": "x - tanh(x)",
    "soft_shrink softshrink": "sign(x) max(|x| - 1/2, 0)",
    "hard_shrink hardshrink": "x if |x| > 1/2 else 0",
    "squareplus": "(x + sqrt(x² + 4)) / 2",
}
ACTIVATIONS = {
    name: Activation(name, formula, tuple(aliases))
    for (name, *aliases), formula in ((n.split(), f) for n, f in _FORMULAS.items())
}
_BY_SPELLING = {word: names.split()[0] for names in _FORMULAS for word in names.split()}


def canonical_activation(name: str) -> str | None:
    """The canonical name behind any accepted spelling, case ignored; None if unknown."""
    return _BY_SPELLING.get(name.strip().lower())


def activation_names() -> list[str]:
    """Every accepted spelling, for suggestions."""
    return list(_BY_SPELLING)
