"""What a model is run on: a user's arrays, or seeded random ones; labels; lengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from neural_dsl.graph.nodes import Network
from neural_dsl.inputs.data import Data, by_input, check, same_batch
from neural_dsl.inputs.drawn import check_seed, draw
from neural_dsl.inputs.lengths import with_lengths, with_some_length
from neural_dsl.inputs.tokens import from_value
from neural_dsl.inputs.tokens import refuse as refuse_tokens

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
    if data is None:
        return draw_inputs(network, labels, seed)
    given, origin = by_input(data, network.inputs)
    arrays = {}
    for item in network.inputs:
        alone = len(network.inputs) == 1
        label = origin if alone else f"`{item.name}` in {origin}"
        arrays[item.name] = check(item, given[item.name], label)
    same_batch(arrays)
    sequences = (item.name for item in network.inputs if item.is_sequence)
    lengths = {name: arrays[name].shape[1] for name in sequences}
    for name, words in labels.items():
        if len(words) != lengths.get(name):
            raise wrong_count(name, len(words), lengths.get(name), origin)
    return Prepared(with_lengths(network, lengths), arrays, labels, origin)


def draw_inputs(network: Network, labels: Tokens, seed: int) -> Prepared:
    """Random inputs as long as there are labels, else as long as declared."""
    for item in network.inputs:
        if item.name in labels and not item.is_sequence:
            raise wrong_count(item.name, len(labels[item.name]), None, "")
    lengths = {name: len(words) for name, words in labels.items()}
    fitted = with_some_length(with_lengths(network, lengths))
    origin = f"{'labels; input ' if labels else ''}random, seed {seed}"
    return Prepared(fitted, draw(fitted, seed), labels, origin)


def wrong_count(name: str, tokens: int, length: int | None, origin: str) -> Exception:
    """NE129: labels that do not match the data they would label."""
    if length is None:
        return refuse_tokens(
            f"the input `{name}` is no sequence, so tokens cannot label it"
        )
    return refuse_tokens(
        f"there are {tokens} tokens for {length} positions of `{name}` in {origin}",
        f"give {length} tokens, or cut the data to {tokens} positions",
    )
