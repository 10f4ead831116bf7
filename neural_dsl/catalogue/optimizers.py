"""Optimizers, with Keras' parameters and defaults (both backends use these)."""

from __future__ import annotations

from neural_dsl.catalogue.settings import SettingSpec, Table, setting
from neural_dsl.catalogue.spec import Parameter, parameter

CLIPPING = (
    parameter("clipnorm", "positive", None, "largest norm of each gradient"),
    parameter("clipvalue", "positive", None, "largest absolute value of a gradient"),
    parameter("global_clipnorm", "positive", None, "largest norm of all gradients"),
)
_RATE = "size of a step, or a schedule such as ExponentialDecay(0.1, 1000, 0.96)"


def _optimizer(
    name: str, doc: str, *parameters: Parameter, rate: float = 0.001
) -> SettingSpec:
    """An optimizer; its learning rate comes first, how it clips gradients last."""
    learning_rate = parameter("learning_rate lr", "learning_rate", rate, _RATE)
    return setting(name, doc, learning_rate, *parameters, *CLIPPING)


def _beta(number: int, default: float) -> Parameter:
    mean = "gradients" if number == 1 else "squared gradients"
    doc = f"share of the running mean of the {mean} that one step keeps"
    return parameter(f"beta_{number} beta{number}", "rate", default, doc)


def _decay(default: float) -> Parameter:
    doc = "decoupled decay of every weight"
    return parameter("weight_decay", "non_negative", default, doc)


def _nesterov(default: bool) -> Parameter:
    return parameter("nesterov", "bool", default, "look ahead along the momentum")


_NO_DECAY = _decay(0.0)
EPSILON = parameter("epsilon eps", "positive", 1e-7, "added to the divisor")
MOMENTUM = parameter("momentum", "rate", 0.0, "share of the last step that is kept")
ADAM = (_beta(1, 0.9), _beta(2, 0.999), EPSILON)
AMSGRAD = parameter("amsgrad", "bool", False, "keep the largest second moment")

_OPTIMIZERS = (
    _optimizer(
        "SGD",
        "Stochastic gradient descent, with momentum on request.",
        *(MOMENTUM, _nesterov(False), _NO_DECAY),
        rate=0.01,
    ),
    _optimizer(
        "Adam",
        "Steps scaled by running moments of the gradient. Kingma & Ba, 2015.",
        *(*ADAM, AMSGRAD, _NO_DECAY),
    ),
    _optimizer(
        "AdamW",
        "Adam with decoupled weight decay. Loshchilov & Hutter, 2019.",
        *(_decay(0.004), *ADAM, AMSGRAD),
    ),
    _optimizer(
        "RMSprop",
        "Steps scaled by a running mean of squared gradients.",
        parameter("rho", "rate", 0.9, "share of the running mean kept"),
        *(MOMENTUM, EPSILON),
        parameter("centered", "bool", False, "scale by the variance instead"),
        _NO_DECAY,
    ),
    _optimizer(
        "Adagrad",
        "Steps scaled by the sum of squared gradients. Duchi et al., 2011.",
        parameter("initial_accumulator_value", "non_negative", 0.1, "the sum's start"),
        *(EPSILON, _NO_DECAY),
    ),
    _optimizer(
        "Adadelta",
        "Adagrad over a window. Zeiler, 2012.",
        parameter("rho", "rate", 0.95, "share of the running means kept"),
        *(EPSILON, _NO_DECAY),
    ),
    _optimizer("Adamax", "Adam with the infinity norm.", *ADAM, _NO_DECAY),
    _optimizer("Nadam", "Adam with Nesterov momentum. Dozat, 2016.", *ADAM, _NO_DECAY),
    _optimizer(
        "Lion",
        "Steps by the sign of the momentum. Chen et al., 2023.",
        *(_beta(1, 0.9), _beta(2, 0.99), _NO_DECAY),
    ),
    _optimizer(
        "Muon",
        "Momentum made orthogonal for the matrices of hidden layers; AdamW, with the "
        "same learning rate, for the rest: embeddings, the head, biases and norms. "
        "Steps have the size of AdamW's. Jordan, 2024; Liu et al., 2025.",
        parameter("momentum", "rate", 0.95, "share of the last step kept"),
        *(_nesterov(True), _decay(0.1)),
        parameter("adam_beta_1", "rate", 0.9, "AdamW's `beta_1`"),
        parameter("adam_beta_2", "rate", 0.999, "AdamW's `beta_2`"),
        parameter("adam_weight_decay", "non_negative", 0.004, "AdamW's `weight_decay`"),
        EPSILON,
    ),
)

OPTIMIZERS = Table(
    "optimizer",
    "NE063",
    "optimizer: Adam(learning_rate=0.001)",
    _OPTIMIZERS,
    "Ftrl Adafactor Lamb LBFGS RAdam ScheduleFreeAdamW Rprop",
)
