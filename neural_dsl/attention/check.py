"""Is a capture true? What every attention must pass before anyone sees it. Code NE107."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.scores import Scores
from neural_dsl.diagnostics import NeuralError, refusal

# Float32 sums of a few thousand weights stay well inside this.
ROW_SUM_TOLERANCE = 1e-4
# Weights times values against what the model's own kernel returned, and the model's
# output with capture against that without; relative to the largest value, at least 1.
# A kernel of 16 bits rounds weights and results: it may be off by so many of its units.
VALUE_TOLERANCE = 1e-4
UNITS = 4


def check_scores(name: str, scores: Scores, heads: int) -> None:
    """Raise NeuralError NE107 unless the weights are what the model did: as many heads
    as declared, rows with a valid key sum to 1, rows without one are 0, masked cells
    are 0, and weights · values is what the model's kernel returned.

    Every row is looked at, a block of them at a time.
    """
    if scores.shape[1] != heads:
        raise _untrue(
            name, f"its shape is {scores.shape}, not (B, {heads}, query, key)"
        )
    values, context = scores.values(), scores.context()
    size = max(1.0, float(np.abs(values).max(initial=0.0)))
    rule = scores.allowed
    for queries, weights in scores.chunks():
        lowest = weights.min()
        if not (np.isfinite(lowest) and np.isfinite(weights.max())):
            raise refusal(
                "NE107",
                f"the capture of `{name}` failed its own check: it holds NaN or infinity",
                help="attention scores overflow float32: look for very large numbers in "
                "the weights and the input",
            )
        made = scores.mix(weights, values)
        made -= context[:, :, queries]
        difference = float(np.abs(made, out=made).max(initial=0.0)) / size
        if not np.isfinite(difference):
            raise refusal(
                "NE107",
                f"the model itself computed NaN or infinity in `{name}`",
                help="some query has no keys, as in an item that is all padding, or "
                "there are NaN or very large numbers in the weights and the input",
            )
        if not difference <= max(VALUE_TOLERANCE, UNITS * scores.precision):
            what = "weights times values differ from what the model computed by"
            raise _untrue(name, f"{what} {difference:.2g}")
        allowed = None if rule.everywhere else rule.rows(queries)
        if allowed is not None and np.where(allowed, 0.0, weights).any():
            raise _untrue(name, "a position attends to one that is masked")
        wanted = 1.0 if allowed is None else allowed.any(-1)
        sums = weights.sum(axis=-1)  # (B, H, Q)
        if np.abs(sums - wanted).max() > ROW_SUM_TOLERANCE or lowest < 0:
            raise _untrue(name, "a row does not sum to 1")


def check_output(
    plain: npt.NDArray[np.floating], captured: npt.NDArray[np.floating]
) -> None:
    """Raise NeuralError NE107 unless capture left the model's output as it is."""
    scale = max(1.0, float(np.abs(plain).max(initial=0.0)))
    same = plain.shape == captured.shape and np.allclose(
        plain, captured, rtol=0.0, atol=VALUE_TOLERANCE * scale, equal_nan=True
    )
    if not same:
        raise _untrue("the model", "its output is another with capture than without")


def _untrue(name: str, why: str) -> NeuralError:
    return refusal(
        "NE107",
        f"the capture of `{name}` failed its own check: {why}",
        help="nothing was drawn, since it would not show what the model does; please "
        "report this with the file and the versions that `neural version` prints",
    )
