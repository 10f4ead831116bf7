"""Metrics that training reports."""

from __future__ import annotations

from neural_dsl.catalogue.settings import Table, setting
from neural_dsl.catalogue.spec import parameter

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
