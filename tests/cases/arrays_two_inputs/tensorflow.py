"""Decide for TensorFlow (Keras 3), compiled from model.neural.

    words (5), numbers (3) -> [words -> Embedding(9) -> MultiHeadAttention(2) ->
        Flatten; numbers -> Dense(4)] -> Concatenate -> Output(1)

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


def build_model() -> keras.Model:
    """Inputs words (B, 5), numbers (B, 3) to logits (B, 1)."""
    words = keras.Input((5,), dtype="int64", name="words")
    numbers = keras.Input((3,), name="numbers")
    inputs = [words, numbers]
    words = layers.Embedding(
        9, 8, keras.initializers.RandomNormal(stddev=0.02), name="embedding"
    )(words)  # (B, 5, 8)
    words = MultiHeadAttention(8, num_heads=2, name="multi_head_attention")(words)
    words = layers.Flatten(name="flatten")(words)  # (B, 40)
    numbers = layers.Dense(4, activation="relu", name="dense")(numbers)  # (B, 4)
    x = layers.Concatenate(name="concatenate")([words, numbers])  # (B, 44)
    logits = layers.Dense(1, name="output")(x)  # (B, 1)
    return keras.Model(inputs, logits, name="Decide")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    words = keras.random.randint((1, 5), 1, 9)
    numbers = keras.random.normal((1, 3))
    probabilities = keras.activations.sigmoid(model([words, numbers]))
    print("probabilities:", ops.convert_to_numpy(probabilities)[0].tolist())
