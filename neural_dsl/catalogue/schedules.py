"""Learning-rate schedules, as the value of `learning_rate` or in `lr_schedule:`."""

from __future__ import annotations

from itertools import pairwise

from neural_dsl.catalogue.settings import SettingSpec, Table
from neural_dsl.catalogue.spec import LayerProblem, Parameter, Params

INITIAL = Parameter(
    "initial_learning_rate",
    "positive",
    None,
    "where it starts; by default the optimizer's own learning rate",
    aliases=("initial_lr", "learning_rate", "lr"),
)
STEPS = Parameter(
    "decay_steps",
    "count",
    doc="steps until `decay_rate` is reached",
    aliases=("steps",),
)
RATE = Parameter(
    "decay_rate", "positive", doc="the factor per `decay_steps`", aliases=("gamma",)
)
STAIRCASE = Parameter("staircase", "bool", False, "whether to go down in stairs")
ALPHA = Parameter("alpha", "fraction", 0.0, "where it ends, as a share of the start")


def _check_pieces(params: Params) -> None:
    boundaries, values = params["boundaries"], params["values"]
    if len(values) != len(boundaries) + 1:
        raise LayerProblem(
            "NE069",
            f"{len(boundaries)} boundaries make {len(boundaries) + 1} pieces, but there "
            f"are {len(values)} values",
            parameter="values",
            label="one value for each piece",
            help="give one more value than there are boundaries",
        )
    if any(a >= b for a, b in pairwise(boundaries)):
        raise LayerProblem(
            "NE069",
            "the boundaries must rise",
            parameter="boundaries",
            label="not in rising order",
        )
    if any(value <= 0 for value in values):
        raise LayerProblem(
            "NE069",
            "every learning rate must be above 0",
            parameter="values",
            label="a value of 0 or less",
        )


WARMUP = Parameter("warmup_steps", "count", 50, "steps of linear warm-up")

SCHEDULES = Table(
    what="schedule",
    code="NE064",
    example="lr_schedule: CosineDecay(0.001, 10000)",
    specs=(
        SettingSpec(
            "ExponentialDecay",
            "initial · decay_rate^(step / decay_steps).",
            (INITIAL, STEPS, RATE, STAIRCASE),
        ),
        SettingSpec(
            "PiecewiseConstantDecay",
            "One value up to each boundary, another beyond it.",
            (
                Parameter("boundaries", "numbers", doc="steps at which it changes"),
                Parameter("values", "numbers", doc="one value for each piece"),
            ),
            aliases=("PiecewiseConstant",),
            check=_check_pieces,
        ),
        SettingSpec(
            "PolynomialDecay",
            "From the start to the end along (1 - step / decay_steps)^power.",
            (
                INITIAL,
                STEPS,
                Parameter("end_learning_rate", "non_negative", 1e-4, "where it ends"),
                Parameter("power", "positive", 1.0, "1 is a straight line"),
                Parameter("cycle", "bool", False, "whether it starts again"),
            ),
        ),
        SettingSpec(
            "InverseTimeDecay",
            "initial / (1 + decay_rate · step / decay_steps).",
            (INITIAL, STEPS, RATE, STAIRCASE),
        ),
        SettingSpec(
            "CosineDecay",
            "Half a cosine from the start to alpha · start, after an optional warm-up. "
            "Loshchilov & Hutter, 2017.",
            (
                INITIAL,
                STEPS,
                ALPHA,
                Parameter("warmup_target", "positive", None, "where the warm-up ends"),
                Parameter("warmup_steps", "natural", 0, "steps of linear warm-up"),
            ),
            aliases=("CosineAnnealing",),
            check=lambda params: _not_negative(params, "warmup_steps"),
        ),
        SettingSpec(
            "CosineDecayRestarts",
            "Cosine decay that starts again, each time longer by t_mul.",
            (
                INITIAL,
                Parameter("first_decay_steps", "count", doc="steps of the first run"),
                Parameter("t_mul", "positive", 2.0, "growth of the runs"),
                Parameter("m_mul", "positive", 1.0, "factor on each new start"),
                ALPHA,
            ),
        ),
        SettingSpec(
            "WarmupCosine",
            "Linear warm-up, then half a cosine down to 0 at the last step of training.",
            (INITIAL, WARMUP),
        ),
        SettingSpec(
            "WarmupLinear",
            "Linear warm-up, then a straight line down to 0 at the last step of training.",
            (INITIAL, WARMUP),
        ),
        SettingSpec(
            "StepDecay",
            "initial · decay_rate^floor(step / decay_steps).",
            (
                INITIAL,
                Parameter(
                    "decay_steps",
                    "count",
                    doc="steps from one stair to the next",
                    aliases=("step_size", "steps", "drop_every", "epochs_drop"),
                ),
                Parameter(
                    "decay_rate",
                    "positive",
                    0.1,
                    "the factor of each stair",
                    aliases=("gamma", "factor", "drop", "drop_rate"),
                ),
            ),
        ),
        SettingSpec(
            "ReduceLROnPlateau",
            "Multiplies by `factor` when `monitor` has not improved for `patience` "
            "epochs.",
            (
                Parameter("monitor", "text", "val_loss", "the measure that is watched"),
                Parameter("factor", "rate", 0.1, "what it is multiplied by"),
                Parameter("patience", "count", 10, "epochs without improvement"),
                Parameter(
                    "mode",
                    "choice",
                    "auto",
                    "whether smaller or larger is better",
                    choices={"auto": "auto", "min": "min", "max": "max"},
                ),
                Parameter("min_delta", "non_negative", 1e-4, "what counts as better"),
                Parameter("cooldown", "natural", 0, "epochs of rest after a reduction"),
                Parameter("min_lr", "non_negative", 0.0, "never below this"),
                INITIAL,
            ),
            check=lambda params: _not_negative(params, "cooldown"),
        ),
    ),
    planned=("OneCycle", "CyclicalLearningRate", "NoamDecay", "LinearWarmup"),
)


def _not_negative(params: Params, name: str) -> None:
    if params[name] < 0:
        raise LayerProblem(
            "NE069",
            f"`{name}` must be 0 or more, not {params[name]}",
            parameter=name,
            label="out of range",
        )
