"""Is a capture true? What every captured layer must pass before anyone sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.allowed import Allowed
from neural_dsl.catalogue.tensors import Attention
from neural_dsl.diagnostics import Diagnostic, NeuralError

Float32 = npt.NDArray[np.float32]

# Float32 sums of a few thousand weights stay well inside this.
ROW_SUM_TOLERANCE = 1e-4
# Weights times values against what the model's own kernel returned, and the model's
# output with capture against that without; relative to the largest value, at least 1.
VALUE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class AttentionCall:
    """One attention as a backend saw it.

    - `path`: attribute path of the module that called it, in the live model.
    - `weights`: float32 (B, H, Q, K).
    - `discrepancy`: the largest difference between weights · values and the context that
      the model's own kernel returned, relative to the largest value (at least 1).
    """

    path: str
    weights: Float32
    discrepancy: float


def check_layer(
    name: str, call: AttentionCall, attention: Attention, rule: Allowed
) -> None:
    """Raise NeuralError NE107 unless the weights are what the model did: as many heads
    as declared, rows with a valid key sum to 1, rows without one are 0, masked cells
    are 0, and weights · values is what the kernel returned."""
    weights = call.weights
    if weights.ndim != 4 or weights.shape[1] != attention.num_heads:
        raise _untrue(name, f"its shape is {weights.shape}, not (B, H, query, key)")
    if not (np.isfinite(weights.min()) and np.isfinite(weights.max())):
        raise NeuralError(
            Diagnostic(
                "NE107",
                f"the capture of `{name}` failed its own check: it holds NaN or infinity",
                help="attention scores overflow float32: look for very large numbers in "
                "the weights and the input",
            )
        )
    if not call.discrepancy <= VALUE_TOLERANCE:
        raise _untrue(
            name,
            "weights times values differ from what the model computed by "
            f"{call.discrepancy:.2g}",
        )
    allowed = rule.rows()
    if not rule.everywhere and np.where(allowed, 0.0, weights).any():
        raise _untrue(name, "a position attends to one that is masked")
    sums = weights.sum(axis=-1)  # (B, H, Q)
    if np.abs(sums - allowed.any(-1)).max() > ROW_SUM_TOLERANCE or weights.min() < 0:
        raise _untrue(name, "a row does not sum to 1")


def check_output(plain: Float32, captured: Float32) -> None:
    """Raise NeuralError NE107 unless capture left the model's output as it is."""
    scale = max(1.0, float(np.abs(plain).max(initial=0.0)))
    same = plain.shape == captured.shape and np.allclose(
        plain, captured, rtol=0.0, atol=VALUE_TOLERANCE * scale, equal_nan=True
    )
    if not same:
        raise _untrue("the model", "its output is another with capture than without")


def _untrue(name: str, why: str) -> NeuralError:
    return NeuralError(
        Diagnostic(
            "NE107",
            f"the capture of `{name}` failed its own check: {why}",
            help="nothing was drawn, since it would not show what the model does; please "
            "report this with the file and the versions that `neural version` prints",
        )
    )
