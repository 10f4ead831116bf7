"""The keys of `train { … }` and `execution { … }`, and early stopping."""

from __future__ import annotations

from neural_dsl.catalogue.backends import BACKEND_NAMES
from neural_dsl.catalogue.schedules import MODE
from neural_dsl.catalogue.settings import Table, setting
from neural_dsl.catalogue.spec import parameter

_MIXED = "compute in 16 bits where it is safe"
MIXED = parameter("mixed_precision", "bool", None, _MIXED)
SEED = parameter("seed", "natural", None, "where random numbers start")
WORKERS = parameter("num_workers", "natural", None, "processes that load data")

_CLIP = "gradient_clip gradient_clipping grad_clip clip_norm clip_gradients"
_ACCUMULATION = "gradient_accumulation_steps accumulate_gradients gradient_accumulation"
_SMOOTHING = "share of each target spread over all symbols"
_SAMPLING = "share of the answer's inputs that the model itself predicts, at the end"
_SNAPSHOTS = "records of the attention on a fixed batch, taken as training goes"
_SEARCHES = "random grid bayesian tpe hyperband evolutionary"
_TRIALS = "models that a search tries"
_HOW = "how hyperparameters are searched"

TRAIN = (
    parameter("epochs", "count", None, "passes over the training data"),
    parameter("steps", "count", None, "training steps, in place of epochs"),
    parameter("batch_size", "count", None, "examples a step"),
    parameter("steps_per_epoch", "count", None, "steps that count as an epoch"),
    parameter("validate_every", "count", None, "steps between two validations"),
    parameter("validation_split", "rate", None, "share kept apart for validation"),
    parameter("validation_steps", "count", None, "steps of one validation"),
    parameter("shuffle", "bool", None, "whether each epoch has another order"),
    SEED,
    parameter(_CLIP, "positive", None, "largest norm of all gradients together"),
    parameter(_ACCUMULATION, "count", None, "batches whose gradients make one step"),
    parameter("label_smoothing", "rate", None, _SMOOTHING),
    parameter("scheduled_sampling", "fraction", None, _SAMPLING),
    MIXED,
    parameter("early_stopping", "stopping", None, "stop when nothing improves"),
    parameter("checkpoint_every", "count", None, "steps between two checkpoints"),
    parameter("attention_snapshots", "count", None, _SNAPSHOTS),
    parameter("save_best", "bool", None, "whether the best weights are kept"),
    WORKERS,
    parameter("verbose", "bool", None, "whether training prints its progress"),
    parameter("search_method search", "choice", None, _HOW, _SEARCHES),
    parameter("max_trials trials n_trials", "count", None, _TRIALS),
)

_WHERE = 'where it runs: "auto", "cpu", "cuda", "cuda:0", "mps"'
_FRAMEWORKS = " ".join(f"{word}={name}" for word, name in BACKEND_NAMES.items())
_PRECISIONS = "float32 fp32=float32 float16 fp16=float16 bfloat16 bf16=bfloat16 mixed"

EXECUTION = (
    parameter("device", "device", None, _WHERE),
    parameter("backend framework", "choice", None, "the framework", _FRAMEWORKS),
    parameter("precision", "choice", None, "the kind of numbers", _PRECISIONS),
    MIXED,
    SEED,
    parameter("deterministic", "bool", None, "the same result every time"),
    WORKERS,
)

_MONITOR = "what is watched: by default the task's measure, else val_loss"
_RESTORE = "whether the best weights come back at the end"

_STOPPING = setting(
    "EarlyStopping",
    "Stops when `monitor` has not improved for `patience` epochs.",
    parameter("monitor", "text", None, _MONITOR),
    parameter("patience", "count", 5, "epochs without improvement"),
    parameter("min_delta", "non_negative", 0.0, "what counts as better"),
    MODE,
    parameter("restore_best_weights restore_best", "bool", True, _RESTORE),
    parameter("target", "float", None, "good enough: stop at this value"),
)
_EXAMPLE = "early_stopping: EarlyStopping(patience=5)"

STOPPING = Table("rule for stopping", "NE069", _EXAMPLE, (_STOPPING,))
