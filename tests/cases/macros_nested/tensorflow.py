"""MacrosNested for TensorFlow (Keras 3), compiled from model.neural.

    input (None, 32) -> 3 x Layer -> Feed -> Layer -> Head

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
class Feed(layers.Layer):
    """Dense -> Dense."""

    def __init__(self, width: int, units: int, **kwargs):
        super().__init__(**kwargs)
        self.dense_0 = layers.Dense(units, activation="gelu", name="dense_0")
        self.dense_1 = layers.Dense(width, name="dense_1")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = self.dense_0(x)
        return self.dense_1(x)


@keras.saving.register_keras_serializable()
class Layer(layers.Layer):
    """x + (LayerNormalization -> MultiHeadAttention) -> x +
    (LayerNormalization -> Feed)."""

    def __init__(self, width: int, heads: int, units: int, **kwargs):
        super().__init__(**kwargs)
        self.layer_normalization = layers.LayerNormalization(
            epsilon=1e-5, name="layer_normalization"
        )
        self.multi_head_attention = MultiHeadAttention(
            width, num_heads=heads, name="multi_head_attention"
        )
        self.layer_normalization_2 = layers.LayerNormalization(
            epsilon=1e-5, name="layer_normalization_2"
        )
        self.feed = Feed(width=width, units=units, name="feed")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = x + self.multi_head_attention(self.layer_normalization(x))
        return x + self.feed(self.layer_normalization_2(x))


@keras.saving.register_keras_serializable()
class Head(layers.Layer):
    """LayerNormalization -> Output."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.layer_normalization = layers.LayerNormalization(
            epsilon=1e-5, name="layer_normalization"
        )
        self.output_2 = layers.Dense(11, name="output_2")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = self.layer_normalization(x)
        return self.output_2(x)  # (B, T, 11)


def build_model() -> keras.Model:
    """Float input (B, T, 32) to logits (B, T, 11)."""
    inputs = keras.Input((None, 32), name="input")
    x = inputs
    for i in range(3):
        x = Layer(width=32, heads=4, units=128, name=f"layer_layers_{i}")(x)
    x = Feed(width=16, units=32, name="feed")(x)  # (B, T, 16)
    x = Layer(width=16, heads=2, units=64, name="layer")(x)
    logits = Head(name="head")(x)  # (B, T, 11)
    return keras.Model(inputs, logits, name="MacrosNested")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    probabilities = keras.activations.softmax(model(keras.random.normal((1, 16, 32))))
    print("probabilities:", tuple(probabilities.shape))
