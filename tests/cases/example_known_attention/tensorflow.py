"""KnownAttention for TensorFlow (Keras 3), compiled from known_attention.neural.

    input (None) -> Embedding(8) -> PositionalEncoding -> x +
        (MultiHeadAttention(6)) -> x + (MultiHeadAttention(1)) -> Output(8)

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

    def __init__(
        self, d_model: int, num_heads: int, key_dim: int, value_dim: int, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.query = layers.Dense(num_heads * key_dim, use_bias=False, name="query")
        self.key = layers.Dense(num_heads * key_dim, use_bias=False, name="key")
        self.value = layers.Dense(num_heads * value_dim, use_bias=False, name="value")
        self.projection = layers.Dense(d_model, use_bias=False, name="projection")

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


def build_model() -> keras.Model:
    """Token ids (B, T) to logits (B, T, 8)."""
    tokens = keras.Input((None,), dtype="int64", name="input")
    x = layers.Embedding(
        8, 36, keras.initializers.RandomNormal(stddev=0.02), name="embedding"
    )(tokens)  # (B, T, 36)
    x = PositionalEncoding(d_model=36, max_len=12, name="positional_encoding")(x)
    residual = x
    x = MultiHeadAttention(
        36, num_heads=6, key_dim=12, value_dim=8, name="six_patterns"
    )(x)  # (B, T, 36)
    x = layers.Add(name="residual_connection_0")([residual, x])  # (B, T, 36)
    residual = x
    x = MultiHeadAttention(36, num_heads=1, key_dim=12, value_dim=8, name="induction")(
        x
    )  # (B, T, 36)
    x = layers.Add(name="residual_connection_1")([residual, x])  # (B, T, 36)
    # (B, T, 8): logits, softmax makes them probabilities
    logits = layers.Dense(8, name="output")(x)
    return keras.Model(tokens, logits, name="KnownAttention")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    tokens = keras.random.randint((1, 12), 1, 8)
    logits = model(tokens)
    probabilities = keras.activations.softmax(logits)
    print("probabilities:", tuple(probabilities.shape))
