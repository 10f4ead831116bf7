"""DenseStack for TensorFlow (Keras 3), compiled from model.neural.

    input (10) -> 4 x Dense(64) -> Dropout(0.5) -> Output(3)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
from keras import layers, ops


def build_model() -> keras.Model:
    """Float input (B, 10) to logits (B, 3)."""
    inputs = keras.Input((10,), name="input")
    x = layers.Dense(64, activation="relu", name="dense_0")(inputs)  # (B, 64)
    for i in range(1, 4):
        x = layers.Dense(64, activation="relu", name=f"dense_{i}")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    logits = layers.Dense(3, name="output")(x)  # (B, 3)
    return keras.Model(inputs, logits, name="DenseStack")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    probabilities = keras.activations.softmax(model(keras.random.normal((1, 10))))
    print("probabilities:", ops.convert_to_numpy(probabilities)[0].tolist())
