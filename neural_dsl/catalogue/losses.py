"""Losses, all from the model's logits, whatever activation `Output` shows; and the metrics
that training reports."""

from __future__ import annotations

from neural_dsl.catalogue.settings import Table, setting
from neural_dsl.catalogue.spec import parameter

_EITHER = (
    "either is accepted: the model ends in logits, and the loss applies the activation"
)
_SMOOTHING = "share of each target spread over all classes"

LOGITS = parameter("from_logits", "bool", True, _EITHER)
SMOOTHED = (LOGITS, parameter("label_smoothing", "rate", 0.0, _SMOOTHING))
FOCAL = (
    parameter("alpha", "fraction", 0.25, "weight of the rare class"),
    parameter("gamma", "non_negative", 2.0, "how much easy examples count less"),
    *SMOOTHED,
)
DELTA = parameter("delta", "positive", 1.0, "where it turns straight")
IGNORED = parameter("ignore_class", "int", None, "an id that does not count")

_BINARY = "binary_crossentropy bce bce_with_logits"
_CLASSES = "sparse_categorical_crossentropy scce cross_entropy nll"
_LESS = "cross-entropy in which easy examples count less"

_LOSSES = (
    setting("mean_squared_error mse l2 squared_error", "mean (y - p)²"),
    setting("mean_absolute_error mae l1 absolute_error", "mean |y - p|"),
    setting("mean_absolute_percentage_error mape", "100 mean |(y - p) / y|"),
    setting("mean_squared_logarithmic_error msle", "mean (log(1 + y) - log(1 + p))²"),
    setting("huber smooth_l1", "squared up to delta, straight beyond", DELTA),
    setting("log_cosh", "mean log(cosh(p - y))"),
    setting(_BINARY, "of 0/1 targets, through a sigmoid", *SMOOTHED),
    setting(
        "categorical_crossentropy cce",
        "of one-hot targets, through a softmax",
        *SMOOTHED,
    ),
    setting(_CLASSES, "of class ids, through a softmax", LOGITS, IGNORED),
    setting(
        "binary_focal_crossentropy focal", f"binary {_LESS}. Lin et al., 2017", *FOCAL
    ),
    setting("categorical_focal_crossentropy", f"categorical {_LESS}", *FOCAL),
    setting("kl_divergence kld kldiv kullback_leibler_divergence", "sum y log(y / p)"),
    setting("cosine_similarity cosine", "minus the cosine of y and p"),
    setting("hinge", "mean max(1 - y p, 0)"),
    setting("squared_hinge", "mean max(1 - y p, 0)²"),
    setting("categorical_hinge", "max(wrong - right + 1, 0)"),
    setting("poisson poisson_nll", "mean (p - y log p)"),
)

LOSSES = Table(
    "loss",
    "NE062",
    'loss: "sparse_categorical_crossentropy"',
    _LOSSES,
    "ctc dice tversky circle triplet contrastive",
)

K = parameter("k", "count", 5, "how many of the best predictions count")
THRESHOLD = parameter("threshold", "fraction", 0.5, "from where a value counts as true")
_WEIGHED = "how classes are weighed"
AVERAGE = parameter("average", "choice", "macro", _WEIGHED, "macro micro weighted")
_TOP = "top_k_categorical_accuracy top_k_accuracy top_k"
_BEST = "the right class among the k best"

_METRICS = (
    setting("accuracy acc", "share of right predictions, as fits the loss"),
    setting("binary_accuracy", "of 0/1 predictions", THRESHOLD),
    setting("categorical_accuracy", "of one-hot targets"),
    setting("sparse_categorical_accuracy", "of class ids"),
    setting(_TOP, f"{_BEST}, one-hot targets", K),
    setting("sparse_top_k_categorical_accuracy", f"{_BEST}, class ids", K),
    setting("precision", "share of right ones among the found", THRESHOLD),
    setting("recall", "share of found ones among the right", THRESHOLD),
    setting("f1_score f1", "harmonic mean of precision and recall", AVERAGE),
    setting("auc roc_auc", "area under the ROC curve"),
    setting("mean_squared_error mse", "mean (y - p)²"),
    setting("root_mean_squared_error rmse", "its square root"),
    setting("mean_absolute_error mae", "mean |y - p|"),
    setting("mean_absolute_percentage_error mape", "100 mean |(y - p) / y|"),
    setting("mean_squared_logarithmic_error msle", "mean (log(1 + y) - log(1 + p))²"),
    setting("r2_score r2", "explained share of the variance"),
    setting("cosine_similarity cosine", "cosine of y and p"),
    setting("binary_crossentropy bce", "of 0/1 targets"),
    setting("categorical_crossentropy", "of one-hot targets"),
    setting("sparse_categorical_crossentropy", "of class ids"),
    setting("kl_divergence kld", "sum y log(y / p)"),
    setting("hinge", "mean max(1 - y p, 0)"),
    setting("poisson", "mean (p - y log p)"),
    setting("log_cosh", "mean log(cosh(p - y))"),
    setting("perplexity", "e to the power of the mean cross-entropy"),
    setting("exact_match", "share of sequences that are right throughout"),
)

METRICS = Table(
    "metric",
    "NE065",
    'metrics: ["accuracy"]',
    _METRICS,
    "iou mean_iou bleu rouge fbeta_score pearson_correlation",
)
