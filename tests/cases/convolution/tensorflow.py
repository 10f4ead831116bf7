"""Convolution for TensorFlow (Keras 3), compiled from model.neural.

    input (21, 6) -> 3 x Conv1D(8) -> Conv1D(16) -> Conv1D(4) -> BatchNormalization
        -> GlobalMaxPooling1D -> Output(1)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
from keras import layers, ops


def build_model() -> keras.Model:
    """Float input (B, 21, 6) to logits (B, 1)."""
    inputs = keras.Input((21, 6), name="input")
    x = layers.Conv1D(8, 3, activation="relu", name="conv1d_0")(inputs)  # (B, 19, 8)
    x = layers.Conv1D(8, 3, padding="same", name="conv1d_1")(x)
    x = layers.Conv1D(8, 4, padding="causal", dilation_rate=2, name="conv1d_2")(x)
    x = layers.Conv1D(
        16, 5, strides=2, padding="same", groups=2, activation="gelu", name="conv1d_3"
    )(x)  # (B, 10, 16)
    x = layers.Conv1D(4, 2, strides=2, use_bias=False, name="conv1d_4")(x)  # (B, 5, 4)
    x = layers.BatchNormalization(
        momentum=0.99, epsilon=0.001, name="batch_normalization"
    )(x)
    x = layers.GlobalMaxPooling1D(name="global_max_pooling1d")(x)  # (B, 4)
    logits = layers.Dense(1, name="output")(x)  # (B, 1)
    return keras.Model(inputs, logits, name="Convolution")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    probabilities = keras.activations.sigmoid(model(keras.random.normal((1, 21, 6))))
    print("probabilities:", ops.convert_to_numpy(probabilities)[0].tolist())
