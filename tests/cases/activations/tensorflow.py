"""Activations for TensorFlow (Keras 3), compiled from model.neural.

    input (6, 8) -> Activation(relu) -> Activation(relu6) -> Activation(leaky_relu)
        -> Activation(elu) -> Activation(selu) -> Activation(celu) ->
        Activation(gelu) -> … -> Activation(log_softmax) -> Activation(softmax) ->
        Activation(linear) -> 3 x Dense(4)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
from keras import layers


def build_model() -> keras.Model:
    """Float input (B, 6, 8) to outputs (B, 6, 4)."""
    inputs = keras.Input((6, 8), name="input")
    x = layers.Activation("relu", name="activation_0")(inputs)
    x = layers.Activation("relu6", name="activation_1")(x)
    x = layers.Activation("leaky_relu", name="activation_2")(x)
    x = layers.Activation("elu", name="activation_3")(x)
    x = layers.Activation("selu", name="activation_4")(x)
    x = layers.Activation("celu", name="activation_5")(x)
    x = layers.Activation("gelu", name="activation_6")(x)
    x = layers.Activation("silu", name="activation_7")(x)
    x = layers.Activation("sigmoid", name="activation_8")(x)
    x = layers.Activation("hard_sigmoid", name="activation_9")(x)
    x = layers.Activation("hard_silu", name="activation_10")(x)
    x = layers.Activation("tanh", name="activation_11")(x)
    x = layers.Activation("softplus", name="activation_12")(x)
    x = layers.Activation("softsign", name="activation_13")(x)
    x = layers.Activation("exponential", name="activation_14")(x)
    x = layers.Activation("mish", name="activation_15")(x)
    x = layers.Activation("log_sigmoid", name="activation_16")(x)
    x = layers.Activation("hard_tanh", name="activation_17")(x)
    x = layers.Activation("tanh_shrink", name="activation_18")(x)
    x = layers.Activation("soft_shrink", name="activation_19")(x)
    x = layers.Activation("hard_shrink", name="activation_20")(x)
    x = layers.Activation("squareplus", name="activation_21")(x)
    x = layers.Activation("log_softmax", name="activation_22")(x)
    x = layers.Activation("softmax", name="activation_23")(x)
    x = layers.Activation("linear", name="activation_24")(x)
    x = layers.Dense(4, activation="leaky_relu", name="dense_0")(x)  # (B, 6, 4)
    x = layers.Dense(4, activation="squareplus", name="dense_1")(x)
    outputs = layers.Dense(4, activation="softmax", name="dense_2")(x)
    return keras.Model(inputs, outputs, name="Activations")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    outputs = model(keras.random.normal((1, 6, 8)))
    print("outputs:", tuple(outputs.shape))
