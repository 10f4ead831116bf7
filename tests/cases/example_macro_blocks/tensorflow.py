"""MacroBlocks for TensorFlow (Keras 3), compiled from macro_blocks.neural.

    input (32, 64) -> 3 x Block -> LayerNormalization -> GlobalAveragePooling1D ->
        Output(10)

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


def scaled_dot_product_attention(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """softmax(Q Kᵀ / √d) V."""
    scores = ops.matmul(q, ops.swapaxes(k, 2, 3)) / q.shape[-1] ** 0.5
    return ops.matmul(ops.softmax(scores), v)  # (B, H, T, d)


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
        context = scaled_dot_product_attention(q, k, v)
        context = ops.transpose(context, (0, 2, 1, 3))  # (B, T, H, d)
        return self.projection(ops.reshape(context, ops.shape(x)))


@keras.saving.register_keras_serializable()
class Block(layers.Layer):
    """x + (LayerNormalization -> MultiHeadAttention) -> x +
    (LayerNormalization -> Dense -> Dense)."""

    def __init__(self, width: int, heads: int, units: int, **kwargs):
        super().__init__(**kwargs)
        self.layer_normalization = layers.LayerNormalization(
            epsilon=1e-5, name="layer_normalization"
        )
        self.multi_head_attention = MultiHeadAttention(
            64, num_heads=heads, name="multi_head_attention"
        )
        self.layer_normalization_2 = layers.LayerNormalization(
            epsilon=1e-5, name="layer_normalization_2"
        )
        self.dense_0 = layers.Dense(units, activation="gelu", name="dense_0")
        self.dense_1 = layers.Dense(width, name="dense_1")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = x + self.multi_head_attention(self.layer_normalization(x))
        return x + self.dense_1(self.dense_0(self.layer_normalization_2(x)))


def build_model() -> keras.Model:
    """Float input (B, 32, 64) to logits (B, 10)."""
    inputs = keras.Input((32, 64), name="input")
    x = inputs
    for i in range(2):
        x = Block(width=64, heads=4, units=256, name=f"blocks_{i}")(x)
    x = Block(width=64, heads=8, units=128, name="block")(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="layer_normalization_6")(x)
    x = layers.GlobalAveragePooling1D(name="global_average_pooling1d")(x)  # (B, 64)
    logits = layers.Dense(10, name="output")(x)  # (B, 10)
    return keras.Model(inputs, logits, name="MacroBlocks")


def fit(model: keras.Model, x: tf.Tensor, y: tf.Tensor, **options) -> dict:
    """Trains for 1 epoch; `options` go to Keras' own `fit`."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.001), loss)
    return model.fit(x, y, **{"epochs": 1, **options}).history


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    probabilities = keras.activations.softmax(model(keras.random.normal((1, 32, 64))))
    print("probabilities:", ops.convert_to_numpy(probabilities)[0].tolist())
