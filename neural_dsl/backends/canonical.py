"""Canonical weights: what a network owns, and whether given arrays fit it.

The names and layouts are documented in docs/weights.md; the list itself comes from the
model graph (`Layer.weights`), so that it is known without any framework.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from neural_dsl.backends.base import Arrays
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.ir.nodes import Network

Float32 = npt.NDArray[np.float32]

# Problems written out in one diagnostic; the rest is counted.
SHOWN = 8


def expected(network: Network) -> dict[str, tuple[int, ...]]:
    """Canonical name -> canonical shape of every weight, in model order."""
    return {
        f"{layer.name}.{weight.name}": weight.shape
        for layer in network.layers()
        for weight in layer.weights
    }


def validated(network: Network, arrays: Arrays, origin: str = "") -> dict[str, Float32]:
    """The arrays as float32, in model order.

    float16 and float64 become float32 (bfloat16 too, where NumPy knows it); whole
    numbers, booleans and complex numbers are no weights. Raises NeuralError NE104 with
    everything that does not fit: names, shapes, kinds of number, NaN or infinity.
    `origin` names the file in the message.
    """
    shapes = expected(network)
    missing = [name for name in shapes if name not in arrays]
    unknown = [name for name in arrays if name not in shapes]
    problems = [_unknown(name, missing) for name in unknown]
    guessed = {closest(name, missing) for name in unknown}
    problems += [f"`{name}` is missing" for name in missing if name not in guessed]
    result: dict[str, Float32] = {}
    for name, shape in shapes.items():
        if name in arrays:
            array = np.asarray(arrays[name])
            problem = _misfit(name, array, shape)
            if problem:
                problems.append(problem)
            else:
                result[name] = np.ascontiguousarray(array, dtype=np.float32)
    if problems:
        raise NeuralError(_does_not_fit(network, problems, missing, unknown, origin))
    return result


def _unknown(name: str, missing: list[str]) -> str:
    guess = closest(name, missing)
    if guess:
        return f"`{name}` is unknown and `{guess}` is missing: the same?"
    return f"`{name}` is unknown"


def _misfit(
    name: str, array: npt.NDArray[np.generic], shape: tuple[int, ...]
) -> str | None:
    """What is wrong with one array, in words."""
    # bfloat16 comes from ml_dtypes, whose types are of kind "V" to NumPy.
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        return f"`{name}` holds {array.dtype.name}, not floating-point numbers"
    if array.shape != shape:
        return f"`{name}` has the shape {array.shape}, not {shape}"
    with np.errstate(over="ignore"):
        finite = bool(np.isfinite(array.astype(np.float32)).all())
    return None if finite else f"`{name}` contains NaN, infinity or numbers too large"


def _does_not_fit(
    network: Network,
    problems: list[str],
    missing: list[str],
    unknown: list[str],
    origin: str,
) -> Diagnostic:
    shown = problems[:SHOWN]
    if len(problems) > SHOWN:
        shown.append(f"and {len(problems) - SHOWN} more")
    what = f"the weights in {origin}" if origin else "the weights"
    owners = Counter(name.split(".")[0] for name in missing)
    if unknown and len(missing) == len(expected(network)):
        help = "no name fits: is this the weights file of another model?"
    elif owners:
        layers = ", ".join(f"`{owner}`" for owner in list(owners)[:4])
        help = f"weights were saved before the model changed? look at {layers}"
    else:
        help = "save weights of this very model with `--save-weights`"
    return Diagnostic(
        "NE104", f"{what} do not fit `{network.name}`: {'; '.join(shown)}", help=help
    )
