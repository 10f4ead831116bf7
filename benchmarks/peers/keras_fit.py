"""The same model as people write it in Keras, with its own MultiHeadAttention and `fit`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import keras
import numpy as np
from keras import layers

from peers.shapes import Shape


class Positions(layers.Layer):
    """Adds a learned vector for each position."""

    def __init__(self, length: int, width: int):
        super().__init__()
        self.vectors = self.add_weight(
            shape=(length, width), initializer="normal", name="vectors"
        )

    def call(self, x):
        return x + self.vectors


def build(shape: Shape, vocabulary: int) -> keras.Model:
    """Token ids (B, T) to logits (B, T, vocabulary)."""
    tokens = keras.Input((shape.length,), dtype="int64")
    x = layers.Embedding(vocabulary, shape.width)(tokens)
    x = Positions(shape.length, shape.width)(x)
    for _ in range(shape.layers):
        normed = layers.LayerNormalization(epsilon=1e-5)(x)
        attention = layers.MultiHeadAttention(shape.heads, shape.width // shape.heads)
        x = layers.Add()([x, attention(normed, normed, use_causal_mask=True)])
        normed = layers.LayerNormalization(epsilon=1e-5)(x)
        wide = layers.Dense(4 * shape.width, activation="gelu")(normed)
        x = layers.Add()([x, layers.Dense(shape.width)(wide)])
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    return keras.Model(tokens, layers.Dense(vocabulary)(x))


def weights(ours: Mapping[str, np.ndarray], shape: Shape) -> Iterator[np.ndarray]:
    """Our weights, by their canonical names, in the order of Keras' `set_weights`."""
    split = (shape.heads, shape.width // shape.heads)

    def dense(name: str) -> Iterator[np.ndarray]:
        yield ours[f"{name}.weight"].T
        yield ours[f"{name}.bias"]

    def norm(name: str) -> Iterator[np.ndarray]:
        yield ours[f"{name}.weight"]
        yield ours[f"{name}.bias"]

    yield ours["embedding.weight"]
    yield ours["positional_encoding.weight"]
    for number in range(shape.layers):
        layer = f"transformer_decoder_{number}"
        yield from norm(f"{layer}.self_attention_norm")
        for part in ("query", "key", "value"):
            name = f"{layer}.self_attention.{part}"
            yield ours[f"{name}.weight"].T.reshape(shape.width, *split)
            yield ours[f"{name}.bias"].reshape(split)
        name = f"{layer}.self_attention.projection"
        yield ours[f"{name}.weight"].T.reshape(*split, shape.width)
        yield ours[f"{name}.bias"]
        yield from norm(f"{layer}.feed_forward_norm")
        yield from dense(f"{layer}.feed_forward.expand")
        yield from dense(f"{layer}.feed_forward.contract")
    yield from norm("layer_normalization")
    yield from dense("output")
