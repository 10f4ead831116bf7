"""Normalization for TensorFlow (Keras 3), compiled from model.neural.

    input (7, 12) -> BatchNormalization -> LayerNormalization -> Flatten ->
        BatchNormalization -> Reshape((3, 28)) -> Dense(5) -> LayerNormalization

Run this file for a summary and a forward pass: python tensorflow.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
from keras import layers


def build_model() -> keras.Model:
    """Float input (B, 7, 12) to outputs (B, 3, 5)."""
    inputs = keras.Input((7, 12), name="input")
    x = layers.BatchNormalization(
        momentum=0.9, epsilon=0.001, name="batch_normalization_0"
    )(inputs)
    x = layers.LayerNormalization(epsilon=0.001, name="layer_normalization_0")(x)
    x = layers.Flatten(name="flatten")(x)  # (B, 84)
    x = layers.BatchNormalization(
        momentum=0.99, epsilon=0.01, name="batch_normalization_1"
    )(x)
    x = layers.Reshape((3, 28), name="reshape")(x)  # (B, 3, 28)
    x = layers.Dense(5, name="dense")(x)  # (B, 3, 5)
    outputs = layers.LayerNormalization(epsilon=1e-5, name="layer_normalization_1")(x)
    return keras.Model(inputs, outputs, name="Normalization")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    outputs = model(keras.random.normal((1, 7, 12)))
    print("outputs:", tuple(outputs.shape))
