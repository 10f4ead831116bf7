"""MacroBlocks for TensorFlow (Keras 3), compiled from macro_blocks.neural.

    input (32, 64) -> 3 x Block -> LayerNormalization -> GlobalAveragePooling1D ->
        Output(10)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import math
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


def scaled_dot_product_attention(
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor
) -> tf.Tensor:
    """softmax(Q Kᵀ / √d) V."""
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3))  # (B, H, T, T)
    scores = scores / math.sqrt(query.shape[-1])
    weights = ops.softmax(scores)  # (B, H, T, T)
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
        context = scaled_dot_product_attention(q, k, v)
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
class Block(layers.Layer):
    """x + (LayerNormalization -> MultiHeadAttention) -> x +
    (LayerNormalization -> Dense -> Dense)."""

    def __init__(self, num_heads: int, key_dim: int, units: int, **kwargs):
        super().__init__(**kwargs)
        self.layer_normalization = layers.LayerNormalization(
            epsilon=1e-5, name="layer_normalization"
        )
        self.multi_head_attention = MultiHeadAttention(
            64, num_heads=num_heads, key_dim=key_dim, name="multi_head_attention"
        )
        self.layer_normalization_2 = layers.LayerNormalization(
            epsilon=1e-5, name="layer_normalization_2"
        )
        self.dense_0 = layers.Dense(units, activation="gelu", name="dense_0")
        self.dense_1 = layers.Dense(64, name="dense_1")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        residual = x
        x = self.layer_normalization(x)  # (B, 32, 64)
        x = self.multi_head_attention(x)  # (B, 32, 64)
        x = residual + x  # (B, 32, 64)
        residual = x
        x = self.layer_normalization_2(x)  # (B, 32, 64)
        x = self.dense_0(x)  # (B, 32, 256)
        x = self.dense_1(x)  # (B, 32, 64)
        return residual + x  # (B, 32, 64)


def build_model() -> keras.Model:
    """Float input (B, 32, 64) to logits (B, 10)."""
    inputs = keras.Input((32, 64), name="input")
    x = inputs
    for i in range(2):
        x = Block(num_heads=4, key_dim=16, units=256, name=f"blocks_{i}")(x)
    x = Block(num_heads=8, key_dim=8, units=128, name="block")(x)  # (B, 32, 64)
    x = layers.LayerNormalization(epsilon=1e-5, name="layer_normalization_6")(x)
    x = layers.GlobalAveragePooling1D(name="global_average_pooling1d")(x)  # (B, 64)
    # (B, 10): logits, softmax makes them probabilities
    logits = layers.Dense(10, name="output")(x)
    return keras.Model(inputs, logits, name="MacroBlocks")


def fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, **options
) -> keras.callbacks.History:
    """Trains for 1 epoch; `options` go to Keras' own `fit`."""
    optimizer = keras.optimizers.Adam(0.001)
    model.compile(
        optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model.fit(x, y, epochs=1, **options)


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    inputs = keras.random.normal((1, 32, 64))
    logits = model(inputs)
    probabilities = keras.activations.softmax(logits)
    print("probabilities:", ops.convert_to_numpy(probabilities)[0].tolist())
