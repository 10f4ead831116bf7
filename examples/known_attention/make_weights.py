"""Writes hand-set weights whose attention is known exactly, and a sentence to run on.

    python make_weights.py        known_attention.safetensors and sentence.npy, here

The residual stream of 36 numbers holds four things side by side:

    0-11   where the token stands, one-hot      (PositionalEncoding writes it)
    12-19  which token it is, one-hot           (Embedding writes it)
    20-27  which token came before it           (the "previous token" head writes it)
    28-35  which token comes next, as a guess   (the induction head writes it)

A head attends by the dot product of a query and a key. A query that holds a large number
where exactly one key holds a 1 makes softmax pick that key: e^-60 is all that is left for
the others. The induction head (Olsson et al., 2022) looks for the place that follows an
earlier copy of the current token, and guesses that the same thing will follow again.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

LENGTH, VOCABULARY, KEY_DIM, VALUE_DIM = 12, 8, 12, 8
POSITION = slice(0, 12)
TOKEN = slice(12, 20)
PREVIOUS = slice(20, 28)
GUESS = slice(28, 36)
D_MODEL = 36
SHARP = 60 * np.sqrt(KEY_DIM)  # the layer divides scores by sqrt(key_dim)

SENTENCE = ["<s>", "the", "cat", "sat", "on", "the", "mat", "and", "the", "cat"]
WORDS = ["<s>", "the", "cat", "sat", "on", "mat", "and"]
START = WORDS.index("<s>")


def by_position(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A head in which query i meets key j with `scores[i, j]`, whatever the tokens."""
    query, key = np.zeros((KEY_DIM, D_MODEL)), np.zeros((KEY_DIM, D_MODEL))
    query[:, POSITION] = scores.T * np.sqrt(KEY_DIM)
    key[:, POSITION] = np.eye(LENGTH)
    return query, key


def by_token(asks: slice, answers: slice) -> tuple[np.ndarray, np.ndarray]:
    """A head that looks from a token in one slot to the same token in another."""
    query, key = np.zeros((KEY_DIM, D_MODEL)), np.zeros((KEY_DIM, D_MODEL))
    query[:VOCABULARY, asks] = np.eye(VOCABULARY) * SHARP
    key[:VOCABULARY, answers] = np.eye(VOCABULARY)
    return query, key


def copy_tokens(target: slice) -> tuple[np.ndarray, np.ndarray]:
    """Value and projection that carry the attended token's name into a slot."""
    value, projection = np.zeros((VALUE_DIM, D_MODEL)), np.zeros((D_MODEL, VALUE_DIM))
    value[:, TOKEN] = np.eye(VOCABULARY)
    projection[target] = np.eye(VOCABULARY)
    return value, projection


def six_patterns() -> dict[str, np.ndarray]:
    """Itself, the token before, the first one, all alike, the same word, the nearby."""
    here = np.arange(LENGTH)
    distance = np.abs(here[:, None] - here[None, :])
    heads = [
        by_position(60.0 * np.eye(LENGTH)),
        by_position(60.0 * np.eye(LENGTH)[np.maximum(here - 1, 0)]),
        by_position(60.0 * np.eye(LENGTH)[np.zeros(LENGTH, dtype=int)]),
        by_position(np.zeros((LENGTH, LENGTH))),
        by_token(TOKEN, TOKEN),
        by_position(-0.7 * distance),
    ]
    values = [np.zeros((VALUE_DIM, D_MODEL)) for _ in heads]
    projections = [np.zeros((D_MODEL, VALUE_DIM)) for _ in heads]
    values[1], projections[1] = copy_tokens(PREVIOUS)
    return {
        "query.weight": np.concatenate([query for query, _ in heads]),
        "key.weight": np.concatenate([key for _, key in heads]),
        "value.weight": np.concatenate(values),
        "projection.weight": np.concatenate(projections, axis=1),
    }


def induction() -> dict[str, np.ndarray]:
    """From a token to what followed it before; to the start if nothing did."""
    query, key = by_token(TOKEN, PREVIOUS)
    query[VOCABULARY, POSITION] = SHARP / 2
    key[VOCABULARY, 0] = 1
    value, projection = copy_tokens(GUESS)
    value[:, TOKEN.start + START] = 0  # the start is no guess
    return {
        "query.weight": query,
        "key.weight": key,
        "value.weight": value,
        "projection.weight": projection,
    }


def weights() -> dict[str, np.ndarray]:
    """Every weight under its canonical name (docs/weights.md), float32."""
    embedding = np.zeros((VOCABULARY, D_MODEL))
    embedding[:, TOKEN] = np.eye(VOCABULARY)
    positions = np.zeros((LENGTH, D_MODEL))
    positions[:, POSITION] = np.eye(LENGTH)
    output = np.zeros((VOCABULARY, D_MODEL))
    output[:, GUESS] = 10 * np.eye(VOCABULARY)
    named = {"embedding.weight": embedding, "positional_encoding.weight": positions}
    named |= {f"six_patterns.{name}": array for name, array in six_patterns().items()}
    named |= {f"induction.{name}": array for name, array in induction().items()}
    named |= {"output.weight": output, "output.bias": np.zeros(VOCABULARY)}
    return {
        name: np.ascontiguousarray(array, dtype=np.float32)
        for name, array in named.items()
    }


if __name__ == "__main__":
    folder = Path(__file__).parent
    save_file(weights(), folder / "known_attention.safetensors")
    np.save(folder / "sentence.npy", [[WORDS.index(word) for word in SENTENCE]])
    print(f"wrote known_attention.safetensors and sentence.npy in {folder}")
    print(f'tokens: --tokens "{",".join(SENTENCE)}"')
