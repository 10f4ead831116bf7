"""Learning-rate schedules, as the value of `learning_rate` or in `lr_schedule:`."""

from __future__ import annotations

from itertools import pairwise

from neural_dsl.catalogue.settings import Table, setting
from neural_dsl.catalogue.spec import LayerProblem, Params, parameter

_INITIAL = "initial_learning_rate initial_lr learning_rate lr"
_START = "where it starts; by default the optimizer's own learning rate"
_BETTER = "whether smaller or larger is better"

INITIAL = parameter(_INITIAL, "positive", None, _START)
STEPS = parameter(
    "decay_steps steps", "count", doc="steps until `decay_rate` is reached"
)
DECAY = (
    INITIAL,
    STEPS,
    parameter("decay_rate gamma", "positive", doc="the factor per `decay_steps`"),
    parameter("staircase", "bool", False, "whether to go down in stairs"),
)
ALPHA = parameter("alpha", "fraction", 0.0, "where it ends, as a share of the start")
WARMUP = parameter("warmup_steps", "count", 50, "steps of linear warm-up")
MODE = parameter("mode", "choice", "auto", _BETTER, "auto min max")


def _check_pieces(params: Params) -> None:
    boundaries, values = params["boundaries"], params["values"]
    pieces = len(boundaries) + 1
    if len(values) != pieces:
        made = f"{pieces - 1} boundaries make {pieces} pieces"
        message = f"{made}, but there are {len(values)} values"
        label = "one value for each piece"
        help = "give one more value than there are boundaries"
        raise LayerProblem("NE069", message, label, help, "values")
    if any(a >= b for a, b in pairwise(boundaries)):
        message, label = "the boundaries must rise", "not in rising order"
        raise LayerProblem("NE069", message, label, parameter="boundaries")
    if any(value <= 0 for value in values):
        message, label = "every learning rate must be above 0", "a value of 0 or less"
        raise LayerProblem("NE069", message, label, parameter="values")


_STAIR = "decay_steps step_size steps drop_every epochs_drop"
_FACTOR = "decay_rate gamma factor drop drop_rate"
_WARM, _LAST = "Linear warm-up", "down to 0 at the last step of training"

_SCHEDULES = (
    setting("ExponentialDecay", "initial · decay_rate^(step / decay_steps).", *DECAY),
    setting(
        "PiecewiseConstantDecay PiecewiseConstant",
        "One value up to each boundary, another beyond it.",
        parameter("boundaries", "numbers", doc="steps at which it changes"),
        parameter("values", "numbers", doc="one value for each piece"),
        check=_check_pieces,
    ),
    setting(
        "PolynomialDecay",
        "From the start to the end along (1 - step / decay_steps)^power.",
        INITIAL,
        STEPS,
        parameter("end_learning_rate", "non_negative", 1e-4, "where it ends"),
        parameter("power", "positive", 1.0, "1 is a straight line"),
        parameter("cycle", "bool", False, "whether it starts again"),
    ),
    setting(
        "InverseTimeDecay", "initial / (1 + decay_rate · step / decay_steps).", *DECAY
    ),
    setting(
        "CosineDecay CosineAnnealing",
        "Half a cosine from the start to alpha · start, after an optional warm-up. "
        "Loshchilov & Hutter, 2017.",
        INITIAL,
        STEPS,
        ALPHA,
        parameter("warmup_target", "positive", None, "where the warm-up ends"),
        parameter("warmup_steps", "natural", 0, "steps of linear warm-up"),
    ),
    setting(
        "CosineDecayRestarts",
        "Cosine decay that starts again, each time longer by t_mul.",
        INITIAL,
        parameter("first_decay_steps", "count", doc="steps of the first run"),
        parameter("t_mul", "positive", 2.0, "growth of the runs"),
        parameter("m_mul", "positive", 1.0, "factor on each new start"),
        ALPHA,
    ),
    setting("WarmupCosine", f"{_WARM}, then half a cosine {_LAST}.", INITIAL, WARMUP),
    setting("WarmupLinear", f"{_WARM}, then a straight line {_LAST}.", INITIAL, WARMUP),
    setting(
        "StepDecay",
        "initial · decay_rate^floor(step / decay_steps).",
        INITIAL,
        parameter(_STAIR, "count", doc="steps from one stair to the next"),
        parameter(_FACTOR, "positive", 0.1, "the factor of each stair"),
    ),
    setting(
        "ReduceLROnPlateau",
        "Multiplies by `factor` when `monitor` has not improved for `patience` epochs.",
        parameter("monitor", "text", "val_loss", "the measure that is watched"),
        parameter("factor", "rate", 0.1, "what it is multiplied by"),
        parameter("patience", "count", 10, "epochs without improvement"),
        MODE,
        parameter("min_delta", "non_negative", 1e-4, "what counts as better"),
        parameter("cooldown", "natural", 0, "epochs of rest after a reduction"),
        parameter("min_lr", "non_negative", 0.0, "never below this"),
        INITIAL,
    ),
)

SCHEDULES = Table(
    "schedule",
    "NE064",
    "lr_schedule: CosineDecay(0.001, 10000)",
    _SCHEDULES,
    "OneCycle CyclicalLearningRate NoamDecay LinearWarmup",
)
