"""Images for TensorFlow (Keras 3), compiled from model.neural.

    input (28, 20, 1) -> Conv2D(8) -> MaxPooling2D -> 2 x Stage ->
        GroupNormalization -> x + (Conv2D(16)) -> MaxPooling2D -> [left ->
        GlobalAveragePooling2D; right -> RMSNormalization -> Flatten -> Dense(16)]
        -> Concatenate -> Output(10)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf
from keras import layers, ops


@keras.saving.register_keras_serializable()
class Stage(layers.Layer):
    """Conv2D -> BatchNormalization -> Activation."""

    def __init__(self, n: int, **kwargs):
        super().__init__(**kwargs)
        self.conv2d = layers.Conv2D(
            n, (3, 3), padding="same", use_bias=False, name="conv2d"
        )
        self.batch_normalization = layers.BatchNormalization(
            momentum=0.99, epsilon=0.001, name="batch_normalization"
        )
        self.activation = layers.Activation("relu")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = self.conv2d(x)
        x = self.batch_normalization(x)
        return self.activation(x)


def build_model() -> keras.Model:
    """Float input (B, 28, 20, 1) to logits (B, 10)."""
    inputs = keras.Input((28, 20, 1), name="input")
    x = layers.Conv2D(
        8, (5, 3), strides=(2, 1), padding="same", activation="relu", name="conv2d_0"
    )(inputs)  # (B, 14, 20, 8)
    x = layers.MaxPooling2D(
        (2, 2), strides=(2, 2), padding="same", name="max_pooling2d_0"
    )(x)  # (B, 7, 10, 8)
    x = Stage(n=16, name="stage")(x)  # (B, 7, 10, 16)
    x = Stage(n=16, name="stage_2")(x)
    x = layers.GroupNormalization(4, epsilon=0.001, name="group_normalization")(x)
    residual = x
    x = layers.Conv2D(16, (1, 3), padding="same", groups=2, name="conv2d_3")(x)
    x = layers.Add(name="residual_connection")([residual, x])
    x = layers.MaxPooling2D((3, 2), strides=(3, 2), name="max_pooling2d_1")(x)
    left = layers.GlobalAveragePooling2D(name="global_average_pooling2d")(x)  # (B, 16)
    right = layers.RMSNormalization(epsilon=1e-6, name="rms_normalization")(x)
    right = layers.Flatten(name="flatten")(right)  # (B, 160)
    right = layers.Dense(16, activation="gelu", name="dense")(right)  # (B, 16)
    x = layers.Concatenate(name="concatenate")([left, right])  # (B, 32)
    logits = layers.Dense(10, name="output")(x)  # (B, 10)
    return keras.Model(inputs, logits, name="Images")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    probabilities = keras.activations.softmax(
        model(keras.random.normal((1, 28, 20, 1)))
    )
    print("probabilities:", ops.convert_to_numpy(probabilities)[0].tolist())
