"""KnownAttention for TensorFlow (Keras 3), compiled from known_attention.neural.

    input (None) -> Embedding(8) -> PositionalEncoding -> x +
        (MultiHeadAttention(6)) -> x + (MultiHeadAttention(1)) -> Output(8)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
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
        q = split_heads(self.query(x), self.num_heads)  # (B, H, T, d)
        k = split_heads(self.key(x), self.num_heads)  # (B, H, T, d)
        v = split_heads(self.value(x), self.num_heads)  # (B, H, T, d)
        position = ops.arange(ops.shape(x)[1])
        allowed = position[:, None] >= position  # (T, T): the past
        context = scaled_dot_product_attention(q, k, v, allowed)
        context = ops.transpose(context, (0, 2, 1, 3))  # (B, T, H, d)
        joined = (-1, ops.shape(x)[1], self.num_heads * v.shape[-1])
        return self.projection(ops.reshape(context, joined))


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
        return x + self.weight[: ops.shape(x)[1]]


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
    )(x)
    x = layers.Add(name="residual_connection_0")([residual, x])
    residual = x
    x = MultiHeadAttention(36, num_heads=1, key_dim=12, value_dim=8, name="induction")(
        x
    )
    x = layers.Add(name="residual_connection_1")([residual, x])
    logits = layers.Dense(8, name="output")(x)  # (B, T, 8)
    return keras.Model(tokens, logits, name="KnownAttention")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    probabilities = keras.activations.softmax(
        model(keras.random.randint((1, 12), 1, 8))
    )
    print("probabilities:", tuple(probabilities.shape))
