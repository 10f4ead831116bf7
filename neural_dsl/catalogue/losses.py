"""Losses. All start from the model's logits, whatever activation `Output` shows."""

from __future__ import annotations

from neural_dsl.catalogue.settings import SettingSpec, Table
from neural_dsl.catalogue.spec import Parameter

FROM_LOGITS = Parameter(
    "from_logits",
    "bool",
    True,
    "either is accepted: the model ends in logits, and the loss applies the activation",
)
SMOOTHING = Parameter(
    "label_smoothing", "rate", 0.0, "share of each target spread over all classes"
)
FOCAL = (
    Parameter("alpha", "fraction", 0.25, "weight of the rare class"),
    Parameter("gamma", "non_negative", 2.0, "how much easy examples count less"),
)

LOSSES = Table(
    what="loss",
    code="NE062",
    example='loss: "sparse_categorical_crossentropy"',
    specs=(
        SettingSpec(
            "mean_squared_error",
            "mean (y - p)²",
            aliases=("mse", "l2", "squared_error"),
        ),
        SettingSpec(
            "mean_absolute_error",
            "mean |y - p|",
            aliases=("mae", "l1", "absolute_error"),
        ),
        SettingSpec(
            "mean_absolute_percentage_error",
            "100 mean |(y - p) / y|",
            aliases=("mape",),
        ),
        SettingSpec(
            "mean_squared_logarithmic_error",
            "mean (log(1 + y) - log(1 + p))²",
            aliases=("msle",),
        ),
        SettingSpec(
            "huber",
            "squared up to delta, straight beyond",
            (Parameter("delta", "positive", 1.0, "where it turns straight"),),
            aliases=("smooth_l1",),
        ),
        SettingSpec("log_cosh", "mean log(cosh(p - y))"),
        SettingSpec(
            "binary_crossentropy",
            "of 0/1 targets, through a sigmoid",
            (FROM_LOGITS, SMOOTHING),
            aliases=("bce", "bce_with_logits"),
        ),
        SettingSpec(
            "categorical_crossentropy",
            "of one-hot targets, through a softmax",
            (FROM_LOGITS, SMOOTHING),
            aliases=("cce",),
        ),
        SettingSpec(
            "sparse_categorical_crossentropy",
            "of class ids, through a softmax",
            (
                FROM_LOGITS,
                Parameter("ignore_class", "int", None, "an id that does not count"),
            ),
            aliases=(
                "scce",
                "cross_entropy",
                "nll",
            ),
        ),
        SettingSpec(
            "binary_focal_crossentropy",
            "binary cross-entropy in which easy examples count less. Lin et al., 2017",
            (*FOCAL, FROM_LOGITS, SMOOTHING),
            aliases=("focal",),
        ),
        SettingSpec(
            "categorical_focal_crossentropy",
            "categorical cross-entropy in which easy examples count less",
            (*FOCAL, FROM_LOGITS, SMOOTHING),
        ),
        SettingSpec(
            "kl_divergence",
            "sum y log(y / p)",
            aliases=("kld", "kldiv", "kullback_leibler_divergence"),
        ),
        SettingSpec(
            "cosine_similarity", "minus the cosine of y and p", aliases=("cosine",)
        ),
        SettingSpec("hinge", "mean max(1 - y p, 0)"),
        SettingSpec("squared_hinge", "mean max(1 - y p, 0)²"),
        SettingSpec("categorical_hinge", "max(wrong - right + 1, 0)"),
        SettingSpec("poisson", "mean (p - y log p)", aliases=("poisson_nll",)),
    ),
    planned=("ctc", "dice", "tversky", "circle", "triplet", "contrastive"),
)
