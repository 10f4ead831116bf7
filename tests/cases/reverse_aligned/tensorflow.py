"""Mirror for TensorFlow (Keras 3), compiled from model.neural.

    input (None) -> Embedding(9) -> PositionalEncoding -> TransformerEncoder ->
        Output(9)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


def split_heads(x: tf.Tensor, num_heads: int) -> tf.Tensor:
    x = ops.reshape(x, (-1, ops.shape(x)[1], num_heads, x.shape[-1] // num_heads))
    return ops.transpose(x, (0, 2, 1, 3))  # (B, H, T, d)


def scaled_dot_product_attention(
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """softmax(Q Kᵀ / √d) V; a query sees only the keys where `mask` is True."""
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3)) / query.shape[-1] ** 0.5
    weights = ops.softmax(ops.where(mask, scores, -1e9))
    weights = ops.where(mask, weights, 0.0)  # a row without any valid key is 0
    return ops.matmul(weights, value)  # (B, H, T, d)


@keras.saving.register_keras_serializable()
class MultiHeadAttention(layers.Layer):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.query = layers.Dense(d_model, name="query")
        self.key = layers.Dense(d_model, name="key")
        self.value = layers.Dense(d_model, name="value")
        self.projection = layers.Dense(d_model, name="projection")

    def call(self, x: tf.Tensor, key_mask: tf.Tensor) -> tf.Tensor:
        q = split_heads(self.query(x), self.num_heads)  # (B, H, T, d)
        k = split_heads(self.key(x), self.num_heads)  # (B, H, T, d)
        v = split_heads(self.value(x), self.num_heads)  # (B, H, T, d)
        allowed = key_mask[:, None, None, :]  # (B, 1, 1, T): the keys that may be seen
        context = scaled_dot_product_attention(q, k, v, allowed)
        context = ops.transpose(context, (0, 2, 1, 3))  # (B, T, H, d)
        return self.projection(ops.reshape(context, ops.shape(x)))


@keras.saving.register_keras_serializable()
class FeedForward(layers.Layer):
    """Two dense layers, applied to each position alone."""

    def __init__(self, d_model: int, ff_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.expand = layers.Dense(ff_dim, activation="relu", name="expand")
        self.contract = layers.Dense(d_model, name="contract")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.contract(self.expand(x))


@keras.saving.register_keras_serializable()
class PositionalEncoding(layers.Layer):
    """Adds sines and cosines of each position (Vaswani et al., 2017, section 3.5)."""

    def __init__(self, d_model: int, max_len: int, **kwargs):
        super().__init__(**kwargs)
        position = np.arange(max_len)[:, None]  # (T, 1)
        angle = position / 10000 ** (np.arange(0, d_model, 2) / d_model)
        table = np.zeros((max_len, d_model), "float32")
        table[:, 0::2] = np.sin(angle)  # (T, d_model / 2)
        table[:, 1::2] = np.cos(angle)[:, : d_model // 2]
        self.table = ops.convert_to_tensor(table)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.table[: ops.shape(x)[1]]


@keras.saving.register_keras_serializable()
class TransformerEncoder(layers.Layer):
    """Self-attention, then a feed-forward network; each adds, then normalises."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int, **kwargs):
        super().__init__(**kwargs)
        norm = layers.LayerNormalization
        self.attention = MultiHeadAttention(d_model, num_heads, name="attention")
        self.attention_norm = norm(epsilon=1e-5, name="attention_norm")
        self.feed_forward = FeedForward(d_model, ff_dim, name="feed_forward")
        self.feed_forward_norm = norm(epsilon=1e-5, name="feed_forward_norm")

    def call(self, x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        x = self.attention_norm(x + self.attention(x, mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


def build_model() -> keras.Model:
    """Token ids (B, T) to logits (B, T, 9)."""
    tokens = keras.Input((None,), dtype="int64", name="input")
    mask = ops.not_equal(tokens, 0)  # (B, T): True where a position is valid
    x = layers.Embedding(
        9, 16, keras.initializers.RandomNormal(stddev=0.02), name="embedding"
    )(tokens)  # (B, T, 16)
    x = PositionalEncoding(d_model=16, max_len=6, name="positional_encoding")(x)
    x = TransformerEncoder(
        d_model=16, num_heads=2, ff_dim=16, name="transformer_encoder"
    )(x, mask)
    logits = layers.Dense(9, name="output")(x)  # (B, T, 9)
    return keras.Model(tokens, logits, name="Mirror")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    probabilities = keras.activations.softmax(model(keras.random.randint((1, 6), 1, 9)))
    print("probabilities:", tuple(probabilities.shape))
