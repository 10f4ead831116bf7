"""What a model is run on: a user's arrays, or seeded random ones; labels; lengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl.diagnostics import refusal
from neural_dsl.graph.nodes import Network
from neural_dsl.inputs.data import Data, read_arrays
from neural_dsl.inputs.lengths import with_lengths, with_some_length
from neural_dsl.inputs.tokens import from_value
from neural_dsl.inputs.tokens import refuse as refuse_tokens
from neural_dsl.resolve.kinds import LARGEST_SEED

Tokens = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Prepared:
    """Checked inputs.

    `network` is the model at the lengths of these inputs: the one that was given, or a
    copy that differs in nothing but lengths. `arrays` are keyed by input, ids int64 and
    the rest float32, all with the same batch size. `tokens` are labels by input.
    `origin` is what provenance says: "random, seed 0", "X.npy", "labels; input random,
    seed 0".
    """

    network: Network
    arrays: dict[str, npt.NDArray[Any]]
    tokens: Tokens
    origin: str

    @property
    def batch_size(self) -> int:
        """The number of examples."""
        return len(next(iter(self.arrays.values())))


def prepare(
    network: Network,
    data: Data | Prepared | None = None,
    tokens: Any = None,
    seed: int = 0,
) -> Prepared:
    """Check `data` against the network, or draw one random example from `seed`; what is
    prepared already stays as it is.

    The lengths of the data or the number of tokens set the lengths of the sequences,
    where the layers allow it. Raises NeuralError NE120 to NE129, NE139.
    """
    if isinstance(data, Prepared):
        return data
    seed = check_seed(seed)
    labels = from_value(tokens, network.inputs)
    lengths = {name: len(words) for name, words in labels.items()}
    sequences = {item.name for item in network.inputs if item.is_sequence}
    arrays, origin = ({}, "") if data is None else read_arrays(data, network.inputs)
    for name in labels:
        if name not in sequences:
            message = f"the input `{name}` is no sequence, so tokens cannot label it"
            raise refuse_tokens(message)
    if data is None:
        fitted = with_some_length(with_lengths(network, lengths))
        origin = f"{'labels; input ' if labels else ''}random, seed {seed}"
        return Prepared(fitted, draw(fitted, seed), labels, origin)
    positions = {name: arrays[name].shape[1] for name in sequences}
    for name, count in lengths.items():
        if count != (there := positions[name]):
            message = f"there are {count} tokens for {there} positions of `{name}` in "
            help = f"give {there} tokens, or cut the data to {count} positions"
            raise refuse_tokens(message + origin, help)
    return Prepared(with_lengths(network, positions), arrays, labels, origin)


def check_seed(seed: int) -> int:
    """The seed as a plain number. Raises NE139 unless every backend takes it."""
    whole = isinstance(seed, Integral) and not isinstance(seed, bool)
    if whole and 0 <= seed <= LARGEST_SEED:
        return int(seed)
    help = f"a seed is a whole number from 0 to {LARGEST_SEED}"
    raise refusal("NE139", f"the seed {seed!r} cannot be used", help=help)


def draw(network: Network, seed: int) -> dict[str, npt.NDArray[Any]]:
    """One random example for every input, keyed by name, the same on every backend.

    Floats are standard normal float32 (1, *shape). Ids are int64, uniform over the
    vocabulary, without 0 where an Embedding takes it for padding. Every length must be
    known. Each input has a stream of its own, so adding one does not change the others.
    """
    padded = {
        layer.inputs[0].source
        for layer in network.layers()
        if layer.type == "Embedding" and layer.params["mask_zero"]
    }
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
