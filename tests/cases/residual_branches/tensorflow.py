"""ResidualBranches for TensorFlow (Keras 3), compiled from model.neural.

    input (8, 16) -> x + (Dense(32) -> Dense(16)) -> [left -> Dense(8) -> x +
        (LayerNormalization -> Dense(8)); right -> Dense(8)] -> Add -> 2 x x + (x +
        (Dense(8)) -> Dropout(0.1)) -> Dense(8) -> Dropout(0.2) -> Dense(8) ->
        Dropout(0.2) -> Dense(8) -> Dropout(0.2) -> Flatten -> Output(1)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf
from keras import layers, ops


@keras.saving.register_keras_serializable()
class ResidualBlock(layers.Layer):
    """x + (x + (Dense) -> Dropout)."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8, name="dense")
        self.dropout = layers.Dropout(0.1)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        residual = x
        x = x + self.dense(x)
        x = self.dropout(x)
        return residual + x


@keras.saving.register_keras_serializable()
class Block(layers.Layer):
    """Dense -> Dropout."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8, activation="relu", name="dense")
        self.dropout = layers.Dropout(0.2)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = self.dense(x)
        return self.dropout(x)


def build_model() -> keras.Model:
    """Float input (B, 8, 16) to logits (B, 1)."""
    inputs = keras.Input((8, 16), name="input")
    x = layers.Dense(32, activation="relu", name="dense_0")(inputs)  # (B, 8, 32)
    x = layers.Dense(16, name="dense_1")(x)  # (B, 8, 16)
    x = layers.Add(name="residual_connection_0")([inputs, x])
    left = layers.Dense(8, name="dense_2")(x)  # (B, 8, 8)
    residual = left
    left = layers.LayerNormalization(epsilon=1e-5, name="layer_normalization")(left)
    left = layers.Dense(8, name="dense_3")(left)
    left = layers.Add(name="residual_connection_1")([residual, left])
    right = layers.Dense(8, activation="tanh", name="dense_4")(x)  # (B, 8, 8)
    x = layers.Add(name="add")([left, right])
    for i in range(2):
        x = ResidualBlock(name=f"residual_blocks_{i}")(x)
    for i in range(3):
        x = Block(name=f"blocks_{i}")(x)
    x = layers.Flatten(name="flatten")(x)  # (B, 64)
    logits = layers.Dense(1, name="output")(x)  # (B, 1)
    return keras.Model(inputs, logits, name="ResidualBranches")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    logits = model(keras.random.normal((1, 8, 16)))
    print("logits:", ops.convert_to_numpy(logits)[0].tolist())
