"""Random inputs of the right kind, the same on every backend: NumPy draws them."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl.diagnostics import refusal
from neural_dsl.graph.nodes import Network
from neural_dsl.resolve.kinds import LARGEST_SEED


def check_seed(seed: int) -> int:
    """The seed as a plain number. Raises NE139 unless every backend takes it."""
    whole = isinstance(seed, Integral) and not isinstance(seed, bool)
    if whole and 0 <= seed <= LARGEST_SEED:
        return int(seed)
    help = f"a seed is a whole number from 0 to {LARGEST_SEED}"
    raise refusal("NE139", f"the seed {seed!r} cannot be used", help=help)


def draw(network: Network, seed: int) -> dict[str, npt.NDArray[Any]]:
    """One example for every input, keyed by name.

    Floats are standard normal float32 (1, *shape). Ids are int64, uniform over the
    vocabulary, without 0 where 0 means padding. Every length must be known. Each input
    has a stream of its own, so adding one does not change the others.
    """
    padded = masked_inputs(network)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for number, item in enumerate(network.inputs):
        stream = np.random.default_rng([seed, number])
        shape = (1, *(size for size in item.tensor.shape if size is not None))
        if item.tensor.dtype == "ids":
            vocabulary = item.vocabulary or 1
            low = 1 if item.name in padded and vocabulary > 1 else 0
            arrays[item.name] = stream.integers(low, vocabulary, shape, dtype=np.int64)
        else:
            arrays[item.name] = stream.standard_normal(shape, dtype=np.float32)
    return arrays


def masked_inputs(network: Network) -> set[str]:
    """The inputs whose id 0 an Embedding with `mask_zero` treats as padding."""
    return {
        layer.inputs[0].source
        for layer in network.layers()
        if layer.type == "Embedding" and layer.params["mask_zero"]
    }
