"""The last check of inputs before a framework sees them."""

from __future__ import annotations

import numpy as np

from neural_dsl.backends.canonical import Array, Arrays
from neural_dsl.diagnostics import refusal
from neural_dsl.graph.nodes import Input, Network


def validated(network: Network, arrays: Arrays) -> dict[str, Array]:
    """The inputs in the network's order, ids as int64 and the rest as float32.

    Raises NeuralError NE110 with every input that is missing, unknown, of another shape,
    kind or batch size, not finite, or outside its vocabulary.
    """
    names = {declared.name for declared in network.inputs}
    problems = [f"there is no input `{name}`" for name in arrays if name not in names]
    result: dict[str, Array] = {}
    for declared in network.inputs:
        name, is_ids = declared.name, declared.tensor.dtype == "ids"
        if name not in arrays:
            problems.append(f"`{name}` is missing")
            continue
        array = np.asarray(arrays[name])
        problem = _problem(declared, array)
        if problem:
            problems.append(f"`{name}` {problem}")
        else:
            result[name] = array.astype(np.int64 if is_ids else np.float32, copy=False)
    batches = {name: len(array) for name, array in result.items()}
    if len(set(batches.values())) > 1:
        sizes = ", ".join(f"`{name}` {size}" for name, size in batches.items())
        problems.append(f"all inputs need one batch size, but have {sizes}")
    if problems:
        raise refusal(
            "NE110",
            f"the inputs do not fit `{network.name}`: {'; '.join(problems)}",
            help="it takes " + ", ".join(map(_wanted, network.inputs)),
        )
    return result


def sizes(network: Network, arrays: Arrays) -> tuple[int, int]:
    """The number of examples, and the length of the longest sequence, 0 without any."""
    lengths = (arrays[i.name].shape[1] for i in network.inputs if i.is_sequence)
    return len(next(iter(arrays.values()))), max(lengths, default=0)


def _problem(declared: Input, array: Array) -> str | None:
    """What is wrong with one array, in words that follow its name."""
    shape, kind = declared.tensor.shape, array.dtype
    if array.ndim != 1 + len(shape) or any(
        size not in (None, actual)
        for size, actual in zip(shape, array.shape[1:], strict=True)
    ):
        return f"has the shape {array.shape}"
    if array.size == 0:
        return f"is empty: its shape is {array.shape}"
    if declared.tensor.dtype == "ids":
        if kind.kind not in "iu":
            return f"holds {kind.name}, not token ids (whole numbers)"
        low, high = int(array.min()), int(array.max())
        top = declared.vocabulary
        if low < 0 or (top is not None and high >= top):
            last = "" if top is None else f" to {top - 1}"
            return f"has ids from {low} to {high}; the vocabulary is 0{last}"
        return None
    if kind.kind not in "fiub":
        return f"holds {kind.name}, not numbers"
    return None if np.isfinite(array).all() else "contains NaN or infinity"


def _wanted(declared: Input) -> str:
    sizes = ["any" if size is None else str(size) for size in declared.tensor.shape]
    kind = "token ids" if declared.tensor.dtype == "ids" else "numbers"
    return f"`{declared.name}`: {kind} of the shape (batch, {', '.join(sizes)})"
