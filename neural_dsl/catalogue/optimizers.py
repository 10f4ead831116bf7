"""Optimizers, with Keras' parameters and defaults (both backends use these)."""

from __future__ import annotations

from neural_dsl.catalogue.settings import SettingSpec, Table
from neural_dsl.catalogue.spec import Parameter


def _learning_rate(default: float) -> Parameter:
    return Parameter(
        "learning_rate",
        "learning_rate",
        default,
        "size of a step, or a schedule such as ExponentialDecay(0.1, 1000, 0.96)",
        aliases=("lr",),
    )


def _beta(number: int, default: float) -> Parameter:
    return Parameter(
        f"beta_{number}",
        "rate",
        default,
        "share of the running mean of the "
        + ("gradients" if number == 1 else "squared gradients")
        + " that one step keeps",
        aliases=(f"beta{number}",),
    )


def _weight_decay(default: float) -> Parameter:
    return Parameter(
        "weight_decay", "non_negative", default, "decoupled decay of every weight"
    )


EPSILON = Parameter(
    "epsilon", "positive", 1e-7, "added to the divisor", aliases=("eps",)
)
MOMENTUM = Parameter("momentum", "rate", 0.0, "share of the last step that is kept")
CLIPPING = (
    Parameter("clipnorm", "positive", None, "largest norm of each gradient"),
    Parameter("clipvalue", "positive", None, "largest absolute value of a gradient"),
    Parameter("global_clipnorm", "positive", None, "largest norm of all gradients"),
)
_ADAM = (_beta(1, 0.9), _beta(2, 0.999), EPSILON)
_AMSGRAD = Parameter("amsgrad", "bool", False, "keep the largest second moment")

OPTIMIZERS = Table(
    what="optimizer",
    code="NE063",
    example="optimizer: Adam(learning_rate=0.001)",
    specs=(
        SettingSpec(
            "SGD",
            "Stochastic gradient descent, with momentum on request.",
            (
                _learning_rate(0.01),
                MOMENTUM,
                Parameter("nesterov", "bool", False, "look ahead along the momentum"),
                _weight_decay(0.0),
                *CLIPPING,
            ),
        ),
        SettingSpec(
            "Adam",
            "Steps scaled by running moments of the gradient. Kingma & Ba, 2015.",
            (_learning_rate(0.001), *_ADAM, _AMSGRAD, _weight_decay(0.0), *CLIPPING),
        ),
        SettingSpec(
            "AdamW",
            "Adam with decoupled weight decay. Loshchilov & Hutter, 2019.",
            (_learning_rate(0.001), _weight_decay(0.004), *_ADAM, _AMSGRAD, *CLIPPING),
        ),
        SettingSpec(
            "RMSprop",
            "Steps scaled by a running mean of squared gradients.",
            (
                _learning_rate(0.001),
                Parameter("rho", "rate", 0.9, "share of the running mean kept"),
                MOMENTUM,
                EPSILON,
                Parameter("centered", "bool", False, "scale by the variance instead"),
                _weight_decay(0.0),
                *CLIPPING,
            ),
        ),
        SettingSpec(
            "Adagrad",
            "Steps scaled by the sum of squared gradients. Duchi et al., 2011.",
            (
                _learning_rate(0.001),
                Parameter(
                    "initial_accumulator_value", "non_negative", 0.1, "the sum's start"
                ),
                EPSILON,
                _weight_decay(0.0),
                *CLIPPING,
            ),
        ),
        SettingSpec(
            "Adadelta",
            "Adagrad over a window. Zeiler, 2012.",
            (
                _learning_rate(0.001),
                Parameter("rho", "rate", 0.95, "share of the running means kept"),
                EPSILON,
                _weight_decay(0.0),
                *CLIPPING,
            ),
        ),
        SettingSpec(
            "Adamax",
            "Adam with the infinity norm.",
            (_learning_rate(0.001), *_ADAM, _weight_decay(0.0), *CLIPPING),
        ),
        SettingSpec(
            "Nadam",
            "Adam with Nesterov momentum. Dozat, 2016.",
            (_learning_rate(0.001), *_ADAM, _weight_decay(0.0), *CLIPPING),
        ),
        SettingSpec(
            "Lion",
            "Steps by the sign of the momentum. Chen et al., 2023.",
            (
                _learning_rate(0.001),
                _beta(1, 0.9),
                _beta(2, 0.99),
                _weight_decay(0.0),
                *CLIPPING,
            ),
        ),
        SettingSpec(
            "Muon",
            "Momentum made orthogonal for the matrices of hidden layers; AdamW, with the "
            "same learning rate, for the rest: embeddings, the head, biases and norms. "
            "Steps have the size of AdamW's. Jordan, 2024; Liu et al., 2025.",
            (
                _learning_rate(0.001),
                Parameter("momentum", "rate", 0.95, "share of the last step kept"),
                Parameter("nesterov", "bool", True, "look ahead along the momentum"),
                _weight_decay(0.1),
                Parameter("adam_beta_1", "rate", 0.9, "AdamW's `beta_1`"),
                Parameter("adam_beta_2", "rate", 0.999, "AdamW's `beta_2`"),
                Parameter(
                    "adam_weight_decay", "non_negative", 0.004, "AdamW's `weight_decay`"
                ),
                EPSILON,
                *CLIPPING,
            ),
        ),
    ),
    planned=(
        "Ftrl",
        "Adafactor",
        "Lamb",
        "LBFGS",
        "RAdam",
        "ScheduleFreeAdamW",
        "Rprop",
    ),
)
