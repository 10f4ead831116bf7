"""The last check of inputs before a framework sees them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neural_dsl.backends.base import Arrays
from neural_dsl.diagnostics import refusal
from neural_dsl.graph.nodes import Input, Network


def validated(network: Network, arrays: Arrays) -> dict[str, npt.NDArray[np.generic]]:
    """The inputs in the network's order, ids as int64 and the rest as float32.

    Raises NeuralError NE110 with every input that is missing, unknown, of another shape,
    kind or batch size, not finite, or outside its vocabulary.
    """
    problems = [
        f"there is no input `{name}`"
        for name in arrays
        if name not in {declared.name for declared in network.inputs}
    ]
    result: dict[str, npt.NDArray[np.generic]] = {}
    for declared in network.inputs:
        if declared.name not in arrays:
            problems.append(f"`{declared.name}` is missing")
            continue
        array = np.asarray(arrays[declared.name])
        problem = _problem(declared, array)
        if problem:
            problems.append(f"`{declared.name}` {problem}")
        else:
            dtype = np.int64 if declared.tensor.dtype == "ids" else np.float32
            result[declared.name] = array.astype(dtype, copy=False)
    batches = {name: len(array) for name, array in result.items()}
    if len(set(batches.values())) > 1:
        sizes = ", ".join(f"`{name}` {size}" for name, size in batches.items())
        problems.append(f"all inputs need one batch size, but have {sizes}")
    if problems:
        raise refusal(
            "NE110",
            f"the inputs do not fit `{network.name}`: {'; '.join(problems)}",
            help="it takes " + ", ".join(_wanted(one) for one in network.inputs),
        )
    return result


def _problem(declared: Input, array: npt.NDArray[np.generic]) -> str | None:
    """What is wrong with one array, in words that follow its name."""
    shape = declared.tensor.shape
    fits = array.ndim == 1 + len(shape) and all(
        size in (None, actual)
        for size, actual in zip(shape, array.shape[1:], strict=True)
    )
    if not fits:
        return f"has the shape {array.shape}"
    if array.size == 0:
        return f"is empty: its shape is {array.shape}"
    if declared.tensor.dtype == "ids":
        if array.dtype.kind not in "iu":
            return f"holds {array.dtype.name}, not token ids (whole numbers)"
        low, high = int(array.min()), int(array.max())
        top = declared.vocabulary
        if low < 0 or (top is not None and high >= top):
            last = "" if top is None else f" to {top - 1}"
            return f"has ids from {low} to {high}; the vocabulary is 0{last}"
        return None
    if array.dtype.kind not in "fiub":
        return f"holds {array.dtype.name}, not numbers"
    return None if np.isfinite(array).all() else "contains NaN or infinity"


def _wanted(declared: Input) -> str:
    sizes = ", ".join(
        "any" if size is None else str(size) for size in declared.tensor.shape
    )
    kind = "token ids" if declared.tensor.dtype == "ids" else "numbers"
    return f"`{declared.name}`: {kind} of the shape (batch, {sizes})"
