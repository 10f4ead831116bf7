"""Canonical weights: what a network owns, and whether given arrays fit it.

The names and layouts are documented in docs/weights.md; the list itself comes from the
model graph (`Layer.weights`), so that it is known without any framework.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neural_dsl.backends.base import Arrays
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.graph.nodes import Network

Float32 = npt.NDArray[np.float32]

# Problems written out in one diagnostic; the rest is counted.
SHOWN = 6


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
    problems = _names(network, arrays)
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
        raise _does_not_fit(network, problems, arrays, origin)
    return result


def _names(network: Network, arrays: Arrays) -> list[str]:
    """What is wrong with the names: whole layers first, then single weights."""
    shapes = expected(network)
    own = {layer.name for layer in network.layers() if layer.weights}
    given = {_layer(name) for name in arrays}
    problems = [
        f"the layer `{layer}` has no weights there"
        for layer in dict.fromkeys(map(_layer, shapes))
        if layer not in given
    ]
    problems += [
        f"the model has no layer `{layer}`"
        for layer in dict.fromkeys(map(_layer, arrays))
        if layer not in own
    ]
    missing = [n for n in shapes if n not in arrays and _layer(n) in given]
    unknown = [n for n in arrays if n not in shapes and _layer(n) in own]
    guesses = {name: closest(name, missing) for name in unknown}
    problems += [
        f"`{name}` is unknown"
        + (f" (meant `{guess}`, which is missing?)" if guess else "")
        for name, guess in guesses.items()
    ]
    guessed = set(guesses.values())
    return problems + [
        f"`{name}` is missing" for name in missing if name not in guessed
    ]


def _layer(name: str) -> str:
    """The layer that a canonical name starts with."""
    return name.partition(".")[0]


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
    network: Network, problems: list[str], arrays: Arrays, origin: str
) -> NeuralError:
    shown = problems[:SHOWN]
    if len(problems) > SHOWN:
        shown.append(f"and {len(problems) - SHOWN} more")
    what = f"the weights in {origin}" if origin else "the weights"
    if any(name in arrays for name in expected(network)):
        help = "was the model changed after its weights were saved?"
    else:
        help = "no name fits: these are the weights of another model"
    return refusal(
        "NE104", f"{what} do not fit `{network.name}`: {'; '.join(shown)}", help=help
    )
