"""Twice for TensorFlow (Keras 3), compiled from model.neural.

    input (None) -> Embedding(8) -> PositionalEncoding -> TransformerDecoder ->
        Output(8)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import math
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf
from keras import layers, ops


def scaled_dot_product_attention(
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """softmax(Q Kᵀ / √d) V; a query sees only the keys where `mask` is True."""
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3))  # (B, H, T, T)
    scores = scores / math.sqrt(query.shape[-1])
    weights = ops.softmax(ops.where(mask, scores, -1e9))  # (B, H, T, T)
    return ops.matmul(weights, value)  # (B, H, T, d)


@keras.saving.register_keras_serializable()
class MultiHeadAttention(layers.Layer):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, key_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.query = layers.Dense(num_heads * key_dim, name="query")
        self.key = layers.Dense(num_heads * key_dim, name="key")
        self.value = layers.Dense(num_heads * key_dim, name="value")
        self.projection = layers.Dense(d_model, name="projection")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        q = self.split_heads(self.query(x))  # (B, H, T, d)
        k = self.split_heads(self.key(x))  # (B, H, T, d)
        v = self.split_heads(self.value(x))  # (B, H, T, d)
        position = ops.arange(ops.shape(x)[1])
        allowed = position[:, None] >= position  # (T, T): the past
        context = scaled_dot_product_attention(q, k, v, allowed)
        return self.projection(self.join_heads(context))  # (B, T, d_model)

    def split_heads(self, x: tf.Tensor) -> tf.Tensor:
        size = x.shape[-1] // self.num_heads
        x = ops.reshape(x, (-1, ops.shape(x)[1], self.num_heads, size))
        return ops.transpose(x, (0, 2, 1, 3))

    def join_heads(self, x: tf.Tensor) -> tf.Tensor:
        features = x.shape[1] * x.shape[3]
        x = ops.transpose(x, (0, 2, 1, 3))
        return ops.reshape(x, (-1, ops.shape(x)[1], features))


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
    """Adds a learned vector for each position, starting from N(0, 0.02)."""

    def __init__(self, d_model: int, max_len: int, **kwargs):
        super().__init__(**kwargs)
        self.shape = (max_len, d_model)

    def build(self, input_shape: tuple) -> None:
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.weight = self.add_weight(self.shape, start, name="weight")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.weight[: ops.shape(x)[1]]  # (B, T, d_model)


@keras.saving.register_keras_serializable()
class TransformerDecoder(layers.Layer):
    """Causal self-attention, feed-forward; each with a residual."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.self_attention = MultiHeadAttention(
            d_model, num_heads, key_dim=d_model // num_heads, name="self_attention"
        )
        self.self_attention_norm = layers.LayerNormalization(
            epsilon=1e-5, name="self_attention_norm"
        )
        self.feed_forward = FeedForward(d_model, ff_dim, name="feed_forward")
        self.feed_forward_norm = layers.LayerNormalization(
            epsilon=1e-5, name="feed_forward_norm"
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        normed = self.self_attention_norm(x)
        attended = self.self_attention(normed)
        x = x + attended
        expanded = self.feed_forward(self.feed_forward_norm(x))
        return x + expanded


def build_model() -> keras.Model:
    """Token ids (B, T) to logits (B, T, 8)."""
    tokens = keras.Input((None,), dtype="int64", name="input")
    x = layers.Embedding(
        8, 16, keras.initializers.RandomNormal(stddev=0.02), name="embedding"
    )(tokens)  # (B, T, 16)
    x = PositionalEncoding(d_model=16, max_len=9, name="positional_encoding")(x)
    x = TransformerDecoder(
        d_model=16, num_heads=2, ff_dim=16, name="transformer_decoder"
    )(x)  # (B, T, 16)
    # (B, T, 8): logits, softmax makes them probabilities
    logits = layers.Dense(8, name="output")(x)
    return keras.Model(tokens, logits, name="Twice")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    tokens = keras.random.randint((1, 9), 1, 8)
    logits = model(tokens)
    probabilities = keras.activations.softmax(logits)
    print("probabilities:", tuple(probabilities.shape))
