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

    @property
    def over_last_axis(self) -> bool:
        """Whether a value depends on the others of the last axis, as with softmax."""
        return self.name in ("softmax", "log_softmax")


ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Activation("linear", "x", ("none", "identity")),
        Activation("relu", "max(x, 0)"),
        Activation("relu6", "min(max(x, 0), 6)"),
        Activation("leaky_relu", "x if x > 0 else 0.2 x", ("leakyrelu",)),
        Activation("elu", "x if x > 0 else exp(x) - 1"),
        Activation("selu", "1.0507 (x if x > 0 else 1.6733 (exp(x) - 1))"),
        Activation("celu", "max(x, 0) + min(exp(x) - 1, 0)"),
        Activation("gelu", "x Φ(x), with the exact normal distribution Φ (erf)"),
        Activation("silu", "x sigmoid(x)", ("swish",)),
        Activation("sigmoid", "1 / (1 + exp(-x))"),
        Activation("hard_sigmoid", "min(max(x / 6 + 1/2, 0), 1)", ("hardsigmoid",)),
        Activation(
            "hard_silu", "x hard_sigmoid(x)", ("hard_swish", "hardswish", "hardsilu")
        ),
        Activation("tanh", "(exp(x) - exp(-x)) / (exp(x) + exp(-x))"),
        Activation("softmax", "exp(x) / sum(exp(x)) over the last axis"),
        Activation(
            "log_softmax", "x - log(sum(exp(x))) over the last axis", ("logsoftmax",)
        ),
        Activation("softplus", "log(1 + exp(x))", ("soft_plus",)),
        Activation("softsign", "x / (1 + |x|)", ("soft_sign",)),
        Activation("exponential", "exp(x)", ("exp",)),
        Activation("mish", "x tanh(softplus(x))"),
        Activation("log_sigmoid", "-log(1 + exp(-x))", ("logsigmoid",)),
        Activation("hard_tanh", "min(max(x, -1), 1)", ("hardtanh",)),
        Activation("tanh_shrink", "x - tanh(x)", ("tanhshrink",)),
        Activation("soft_shrink", "sign(x) max(|x| - 1/2, 0)", ("softshrink",)),
        Activation("hard_shrink", "x if |x| > 1/2 else 0", ("hardshrink",)),
        Activation("squareplus", "(x + sqrt(x² + 4)) / 2"),
    )
}

_BY_SPELLING = {
    spelling: activation.name
    for activation in ACTIVATIONS.values()
    for spelling in (activation.name, *activation.aliases)
}


def canonical_activation(name: str) -> str | None:
    """The canonical name behind any accepted spelling, case ignored; None if unknown."""
    return _BY_SPELLING.get(name.strip().lower())


def activation_names() -> list[str]:
    """Every accepted spelling, for suggestions."""
    return list(_BY_SPELLING)
