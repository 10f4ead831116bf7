"""Metrics that training reports."""

from __future__ import annotations

from neural_dsl.catalogue.settings import SettingSpec, Table
from neural_dsl.catalogue.spec import Parameter

K = Parameter("k", "count", 5, "how many of the best predictions count")
THRESHOLD = Parameter("threshold", "fraction", 0.5, "from where a value counts as true")
AVERAGE = Parameter(
    "average",
    "choice",
    "macro",
    "how classes are weighed",
    choices={"macro": "macro", "micro": "micro", "weighted": "weighted"},
)

METRICS = Table(
    what="metric",
    code="NE065",
    example='metrics: ["accuracy"]',
    specs=(
        SettingSpec(
            "accuracy", "share of right predictions, as fits the loss", aliases=("acc",)
        ),
        SettingSpec("binary_accuracy", "of 0/1 predictions", (THRESHOLD,)),
        SettingSpec("categorical_accuracy", "of one-hot targets"),
        SettingSpec("sparse_categorical_accuracy", "of class ids"),
        SettingSpec(
            "top_k_categorical_accuracy",
            "the right class among the k best, one-hot targets",
            (K,),
            aliases=("top_k_accuracy", "top_k"),
        ),
        SettingSpec(
            "sparse_top_k_categorical_accuracy",
            "the right class among the k best, class ids",
            (K,),
        ),
        SettingSpec("precision", "share of right ones among the found", (THRESHOLD,)),
        SettingSpec("recall", "share of found ones among the right", (THRESHOLD,)),
        SettingSpec(
            "f1_score", "harmonic mean of precision and recall", (AVERAGE,), ("f1",)
        ),
        SettingSpec("auc", "area under the ROC curve", aliases=("roc_auc",)),
        SettingSpec("mean_squared_error", "mean (y - p)²", aliases=("mse",)),
        SettingSpec("root_mean_squared_error", "its square root", aliases=("rmse",)),
        SettingSpec("mean_absolute_error", "mean |y - p|", aliases=("mae",)),
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
        SettingSpec("r2_score", "explained share of the variance", aliases=("r2",)),
        SettingSpec("cosine_similarity", "cosine of y and p", aliases=("cosine",)),
        SettingSpec("binary_crossentropy", "of 0/1 targets", aliases=("bce",)),
        SettingSpec("categorical_crossentropy", "of one-hot targets"),
        SettingSpec("sparse_categorical_crossentropy", "of class ids"),
        SettingSpec("kl_divergence", "sum y log(y / p)", aliases=("kld",)),
        SettingSpec("hinge", "mean max(1 - y p, 0)"),
        SettingSpec("poisson", "mean (p - y log p)"),
        SettingSpec("log_cosh", "mean log(cosh(p - y))"),
        SettingSpec("perplexity", "e to the power of the mean cross-entropy"),
        SettingSpec("exact_match", "share of sequences that are right throughout"),
    ),
    planned=("iou", "mean_iou", "bleu", "rouge", "fbeta_score", "pearson_correlation"),
)
