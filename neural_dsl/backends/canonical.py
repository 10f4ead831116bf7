"""The weights of a network under their canonical names, and whether given ones fit it.

The names and layouts are documented in docs/weights.md; the list itself comes from the
model graph (`Layer.weights`), so that it is known without any framework. A file may hold
canonical names, or what one saves from an emitted model with the framework's own means:
`model.state_dict()` of PyTorch (`transformer_decoders.0.…`), or the variables of a Keras
model by their paths (`dense/kernel`). Which it is, is told from the names alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.catalogue.tensors import Weight
from neural_dsl.codegen.generate import CompiledModel, generate
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.graph.nodes import Network

Array: TypeAlias = npt.NDArray[np.generic]
Arrays: TypeAlias = Mapping[str, Array]
Float32: TypeAlias = npt.NDArray[np.float32]
Naming: TypeAlias = Mapping[str, tuple[str, tuple[int, ...]] | None]
"""One way to name the weights of a network: name -> canonical name, and the order of axes
that makes the array canonical; None for a name that is none of weights."""

# Problems written out in one diagnostic; the rest is counted.
SHOWN = 6


def expected(network: Network) -> dict[str, tuple[int, ...]]:
    """Canonical name -> canonical shape of every weight, in model order."""
    return {
        f"{layer.name}.{weight.name}": weight.shape
        for layer in network.layers()
        for weight in layer.weights
    }


def places(
    network: Network, paths: Mapping[str, str], backend: str
) -> dict[str, tuple[str, Weight]]:
    """Canonical name -> where the weight stands in the live model, as a path of
    attributes, and the weight; in model order. `paths` are those of the layers."""
    return {
        f"{layer.name}.{weight.name}": (
            f"{paths[layer.name]}.{weight.place(backend)}",
            weight,
        )
        for layer in network.layers()
        for weight in layer.weights
    }


def own_naming(compiled: CompiledModel, backend: str) -> Naming:
    """The names that a file saved with this backend's own means holds, of the model that
    is emitted for it; none where the network cannot be emitted for it."""
    network, paths = compiled.network, compiled.paths
    if backend != compiled.backend:
        try:
            paths = generate(network, backend, "").paths
        except NeuralError:
            return {}
    named = BACKENDS[backend].own_name
    beside = {
        named(f"{paths[layer.name]}.{name}"): None
        for layer in network.layers()
        if layer.weights
        for name in layer.spec.beside.get(backend, ())
    }
    return beside | {
        named(path): (name, weight.array.order(backend))
        for name, (path, weight) in places(network, paths, backend).items()
    }


def canonical_arrays(compiled: CompiledModel, arrays: Arrays) -> Arrays:
    """The arrays under canonical names, in canonical layouts.

    A name that belongs to no way of naming stays as it is, for `validated` to refuse. No
    name means one weight here and another there (a test tells), so the way that knows
    most of the names is the right one.
    """
    canonical: Naming = {name: (name, ()) for name in expected(compiled.network)}
    if canonical.keys() == arrays.keys():
        return arrays

    def fit(way: Naming) -> tuple[bool, int]:
        needed = {name for name, meant in way.items() if meant}
        fits = needed <= arrays.keys() <= way.keys()
        return fits, len(needed & arrays.keys())

    way = max((canonical, *(own_naming(compiled, b) for b in BACKENDS)), key=fit)
    found = {}
    for name, array in arrays.items():
        meant = way.get(name, (name, ()))
        if meant:
            own, order = meant
            turns = len(order) == np.ndim(array)  # else the shape is refused later
            found[own] = np.transpose(array, order) if turns else np.asarray(array)
    return found


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
            problem = _misfit(array, shape)
            if problem:
                problems.append(f"`{name}` {problem}")
            else:
                result[name] = np.ascontiguousarray(array, dtype=np.float32)
    if not problems:
        return result
    more = len(problems) - SHOWN
    listed = "; ".join(problems[:SHOWN] + [f"and {more} more"] * (more > 0))
    what = f"the weights in {origin}" if origin else "the weights"
    known = not shapes.keys().isdisjoint(arrays)
    raise refusal(
        "NE104",
        f"{what} do not fit `{network.name}`: {listed}",
        help="was the model changed after its weights were saved?"
        if known
        else "no name fits: these are the weights of another model",
    )


def _names(network: Network, arrays: Arrays) -> list[str]:
    """What is wrong with the names: whole layers first, then single weights."""
    shapes = expected(network)
    # The layer that a canonical name starts with.
    owners = {name: name.partition(".")[0] for name in (*shapes, *arrays)}
    own = dict.fromkeys(owners[name] for name in shapes)
    given = dict.fromkeys(owners[name] for name in arrays)
    missing = [n for n in shapes if n not in arrays and owners[n] in given]
    unknown = [n for n in arrays if n not in shapes and owners[n] in own]
    guesses = {name: closest(name, missing) for name in unknown}
    return [
        *(f"the layer `{n}` has no weights there" for n in own if n not in given),
        *(f"the model has no layer `{n}`" for n in given if n not in own),
        *(
            f"`{name}` is unknown"
            + (f" (meant `{guess}`, which is missing?)" if guess else "")
            for name, guess in guesses.items()
        ),
        *(f"`{n}` is missing" for n in missing if n not in guesses.values()),
    ]


def _misfit(array: Array, shape: tuple[int, ...]) -> str | None:
    """What is wrong with one array, in words that follow its name."""
    # bfloat16 comes from ml_dtypes, whose types are of kind "V" to NumPy.
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        return f"holds {array.dtype.name}, not floating-point numbers"
    if array.shape != shape:
        return f"has the shape {array.shape}, not {shape}"
    with np.errstate(over="ignore"):
        finite = bool(np.isfinite(array.astype(np.float32)).all())
    return None if finite else "contains NaN, infinity or numbers too large"
