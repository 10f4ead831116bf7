"""TransformerEncoderModel for TensorFlow (Keras 3), compiled from model.neural.

    x (5, 4), mask (5, 4) -> [x -> Dense(4); mask -> Dense(4)] -> Concatenate ->
        TransformerEncoder -> 2 x nn -> Dense(4) -> x + (Dense(4)) -> Output(2)

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
class FeedForward(layers.Layer):
    """Two dense layers, applied to each position alone."""

    def __init__(self, d_model: int, ff_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.expand = layers.Dense(ff_dim, activation="relu", name="expand")
        self.contract = layers.Dense(d_model, name="contract")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.contract(self.expand(x))


@keras.saving.register_keras_serializable()
class TransformerEncoder(layers.Layer):
    """Self-attention, then a feed-forward network; each adds, then normalises."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int, **kwargs):
        super().__init__(**kwargs)
        norm = layers.LayerNormalization
        self.attention = MultiHeadAttention(d_model, num_heads, name="attention")
        self.attention_norm = norm(epsilon=1e-5, name="attention_norm")
        self.feed_forward = FeedForward(d_model, ff_dim, name="feed_forward")
        self.feed_forward_norm = norm(epsilon=1e-5, name="feed_forward_norm")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = self.attention_norm(x + self.attention(x))
        return self.feed_forward_norm(x + self.feed_forward(x))


@keras.saving.register_keras_serializable()
class F(layers.Layer):
    """Dense."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(4, name="dense")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.dense(x)


@keras.saving.register_keras_serializable()
class Nn(layers.Layer):
    """Dense -> F."""

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(units, name="dense")
        self.f = F(name="f")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = self.dense(x)
        return self.f(x)


def build_model() -> keras.Model:
    """Inputs x (B, 5, 4), mask (B, 5, 4) to logits (B, 5, 2)."""
    x = keras.Input((5, 4), name="x")
    mask = keras.Input((5, 4), name="mask")
    inputs = [x, mask]
    x = layers.Dense(4, name="train")(x)
    mask = layers.Dense(4, name="weights")(mask)
    x = layers.Concatenate(name="concatenate")([x, mask])  # (B, 5, 8)
    x = TransformerEncoder(d_model=8, num_heads=2, ff_dim=8, name="forward")(x)
    x = Nn(units=4, name="nn")(x)  # (B, 5, 4)
    x = Nn(units=8, name="nn_2")(x)
    x = layers.Dense(4, name="residual")(x)
    residual = x
    x = layers.Dense(4, name="self_")(x)
    x = layers.Add(name="residual_connection")([residual, x])
    logits = layers.Dense(2, name="output")(x)  # (B, 5, 2)
    return keras.Model(inputs, logits, name="TransformerEncoderModel")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    x = keras.random.normal((1, 5, 4))
    mask = keras.random.normal((1, 5, 4))
    logits = model([x, mask])
    print("logits:", tuple(logits.shape))
