"""Induction for TensorFlow (Keras 3), compiled from induction.neural.

    input (None) -> Embedding(27) -> LayerNormalization -> PositionalEncoding -> 2 x
        x + (LayerNormalization -> MultiHeadAttention(2)) -> LayerNormalization ->
        Output(27)

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

    def call(self, x: tf.Tensor) -> tf.Tensor:
        q = split_heads(self.query(x), self.num_heads)  # (B, H, T, d)
        k = split_heads(self.key(x), self.num_heads)  # (B, H, T, d)
        v = split_heads(self.value(x), self.num_heads)  # (B, H, T, d)
        position = ops.arange(ops.shape(x)[1])
        allowed = position[:, None] >= position  # (T, T): the past
        context = scaled_dot_product_attention(q, k, v, allowed)
        context = ops.transpose(context, (0, 2, 1, 3))  # (B, T, H, d)
        return self.projection(ops.reshape(context, ops.shape(x)))


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
class ResidualBlock(layers.Layer):
    """x + (LayerNormalization -> MultiHeadAttention)."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.layer_normalization = layers.LayerNormalization(
            epsilon=1e-5, name="layer_normalization"
        )
        self.multi_head_attention = MultiHeadAttention(
            128, num_heads=2, name="multi_head_attention"
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.multi_head_attention(self.layer_normalization(x))


def build_model() -> keras.Model:
    """Token ids (B, T) to logits (B, T, 27)."""
    tokens = keras.Input((None,), dtype="int64", name="input")
    x = layers.Embedding(
        27, 128, keras.initializers.RandomNormal(stddev=0.02), name="embedding"
    )(tokens)  # (B, T, 128)
    x = layers.LayerNormalization(epsilon=1e-5, name="layer_normalization_0")(x)
    x = PositionalEncoding(d_model=128, max_len=31, name="positional_encoding")(x)
    for i in range(2):
        x = ResidualBlock(name=f"residual_blocks_{i}")(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="layer_normalization_3")(x)
    logits = layers.Dense(27, name="output")(x)  # (B, T, 27)
    return keras.Model(tokens, logits, name="Induction")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    probabilities = keras.activations.softmax(
        model(keras.random.randint((1, 16), 1, 27))
    )
    print("probabilities:", tuple(probabilities.shape))
