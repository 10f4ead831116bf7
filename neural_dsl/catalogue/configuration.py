"""The keys of `train { … }` and `execution { … }`, and early stopping."""

from __future__ import annotations

from neural_dsl.catalogue.backends import BACKEND_NAMES
from neural_dsl.catalogue.settings import SettingSpec, Table
from neural_dsl.catalogue.spec import Parameter

TRAIN = (
    Parameter("epochs", "count", None, "passes over the training data"),
    Parameter("steps", "count", None, "training steps, in place of epochs"),
    Parameter("batch_size", "count", None, "examples a step"),
    Parameter("steps_per_epoch", "count", None, "steps that count as an epoch"),
    Parameter("validate_every", "count", None, "steps between two validations"),
    Parameter("validation_split", "rate", None, "share kept apart for validation"),
    Parameter("validation_steps", "count", None, "steps of one validation"),
    Parameter("shuffle", "bool", None, "whether each epoch has another order"),
    Parameter("seed", "natural", None, "where random numbers start"),
    Parameter(
        "gradient_clip",
        "positive",
        None,
        "largest norm of all gradients together",
        aliases=("gradient_clipping", "grad_clip", "clip_norm", "clip_gradients"),
    ),
    Parameter(
        "gradient_accumulation_steps",
        "count",
        None,
        "batches whose gradients make one step",
        aliases=("accumulate_gradients", "gradient_accumulation"),
    ),
    Parameter(
        "label_smoothing",
        "rate",
        None,
        "share of each target spread over all symbols",
    ),
    Parameter(
        "scheduled_sampling",
        "fraction",
        None,
        "share of the answer's inputs that the model itself predicts, at the end",
    ),
    Parameter("mixed_precision", "bool", None, "compute in 16 bits where it is safe"),
    Parameter("early_stopping", "stopping", None, "stop when nothing improves"),
    Parameter("checkpoint_every", "count", None, "steps between two checkpoints"),
    Parameter(
        "attention_snapshots",
        "count",
        None,
        "records of the attention on a fixed batch, taken as training goes",
    ),
    Parameter("save_best", "bool", None, "whether the best weights are kept"),
    Parameter("num_workers", "natural", None, "processes that load data"),
    Parameter("verbose", "bool", None, "whether training prints its progress"),
    Parameter(
        "search_method",
        "choice",
        None,
        "how hyperparameters are searched",
        choices={
            each: each
            for each in (
                "random",
                "grid",
                "bayesian",
                "tpe",
                "hyperband",
                "evolutionary",
            )
        },
        aliases=("search",),
    ),
    Parameter(
        "max_trials",
        "count",
        None,
        "models that a search tries",
        aliases=("trials", "n_trials"),
    ),
)

EXECUTION = (
    Parameter(
        "device",
        "device",
        None,
        'where it runs: "auto", "cpu", "cuda", "cuda:0", "mps"',
    ),
    Parameter(
        "backend",
        "choice",
        None,
        "the framework",
        choices=BACKEND_NAMES,
        aliases=("framework",),
    ),
    Parameter(
        "precision",
        "choice",
        None,
        "the kind of numbers",
        choices={
            "float32": "float32",
            "fp32": "float32",
            "float16": "float16",
            "fp16": "float16",
            "bfloat16": "bfloat16",
            "bf16": "bfloat16",
            "mixed": "mixed",
        },
    ),
    Parameter("mixed_precision", "bool", None, "compute in 16 bits where it is safe"),
    Parameter("seed", "natural", None, "where random numbers start"),
    Parameter("deterministic", "bool", None, "the same result every time"),
    Parameter("num_workers", "natural", None, "processes that load data"),
)

STOPPING = Table(
    what="rule for stopping",
    code="NE069",
    example="early_stopping: EarlyStopping(patience=5)",
    specs=(
        SettingSpec(
            "EarlyStopping",
            "Stops when `monitor` has not improved for `patience` epochs.",
            (
                Parameter(
                    "monitor",
                    "text",
                    None,
                    "what is watched: by default the task's measure, else val_loss",
                ),
                Parameter("patience", "count", 5, "epochs without improvement"),
                Parameter("min_delta", "non_negative", 0.0, "what counts as better"),
                Parameter(
                    "mode",
                    "choice",
                    "auto",
                    "whether smaller or larger is better",
                    choices={"auto": "auto", "min": "min", "max": "max"},
                ),
                Parameter(
                    "restore_best_weights",
                    "bool",
                    True,
                    "whether the best weights come back at the end",
                    aliases=("restore_best",),
                ),
                Parameter("target", "float", None, "good enough: stop at this value"),
            ),
        ),
    ),
)
