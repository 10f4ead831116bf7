"""CrossAttentionModel for TensorFlow (Keras 3), compiled from model.neural.

    memory (9, 24), target (5, 16) -> [memory -> Dense(20); target -> Dense(16)] ->
        MultiHeadAttention(2) -> LayerNormalization -> MultiHeadAttention(4) ->
        Flatten -> Output(2)

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


def scaled_dot_product_attention(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    mask: tf.Tensor | None = None,
    dropout: layers.Dropout | None = None,
) -> tf.Tensor:
    """softmax(Q Kᵀ / √d) V; a query sees only the keys where `mask` is True."""
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3)) / query.shape[-1] ** 0.5
    if mask is not None:
        scores = ops.where(mask, scores, -1e9)
    weights = ops.softmax(scores)
    if dropout is not None:
        weights = dropout(weights)
    return ops.matmul(weights, value)  # (B, H, T, d)


@keras.saving.register_keras_serializable()
class SelfAttention(layers.Layer):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, dropout: float, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = layers.Dropout(dropout)
        self.query = layers.Dense(d_model, use_bias=False, name="query")
        self.key = layers.Dense(d_model, use_bias=False, name="key")
        self.value = layers.Dense(d_model, use_bias=False, name="value")
        self.projection = layers.Dense(d_model, use_bias=False, name="projection")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        q = split_heads(self.query(x), self.num_heads)  # (B, H, T, d)
        k = split_heads(self.key(x), self.num_heads)  # (B, H, T, d)
        v = split_heads(self.value(x), self.num_heads)  # (B, H, T, d)
        position = ops.arange(ops.shape(x)[1])
        allowed = position[:, None] >= position  # (T, T): the past
        context = scaled_dot_product_attention(q, k, v, allowed, dropout=self.dropout)
        context = ops.transpose(context, (0, 2, 1, 3))  # (B, T, H, d)
        return self.projection(ops.reshape(context, ops.shape(x)))


@keras.saving.register_keras_serializable()
class CrossAttention(layers.Layer):
    """Scaled dot-product attention to a memory, in several heads (Vaswani et al., 2017)."""

    def __init__(
        self, d_model: int, num_heads: int, key_dim: int, value_dim: int, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.query = layers.Dense(num_heads * key_dim, name="query")
        self.key = layers.Dense(num_heads * key_dim, name="key")
        self.value = layers.Dense(num_heads * value_dim, name="value")
        self.projection = layers.Dense(d_model, name="projection")

    def call(self, x: tf.Tensor, memory: tf.Tensor) -> tf.Tensor:
        q = split_heads(self.query(x), self.num_heads)  # (B, H, T, d)
        k = split_heads(self.key(memory), self.num_heads)  # (B, H, S, d)
        v = split_heads(self.value(memory), self.num_heads)  # (B, H, S, d)
        context = scaled_dot_product_attention(q, k, v)
        context = ops.transpose(context, (0, 2, 1, 3))  # (B, T, H, d)
        joined = (-1, ops.shape(x)[1], self.num_heads * v.shape[-1])
        return self.projection(ops.reshape(context, joined))


def build_model() -> keras.Model:
    """Inputs memory (B, 9, 24), target (B, 5, 16) to logits (B, 2)."""
    memory = keras.Input((9, 24), name="memory")
    target = keras.Input((5, 16), name="target")
    inputs = [memory, target]
    memory = layers.Dense(20, activation="relu", name="dense_0")(memory)  # (B, 9, 20)
    target = layers.Dense(16, name="dense_1")(target)
    target = CrossAttention(
        16, num_heads=2, key_dim=6, value_dim=5, name="multi_head_attention_0"
    )(target, memory)
    target = layers.LayerNormalization(epsilon=1e-5, name="layer_normalization")(target)
    target = SelfAttention(16, num_heads=4, dropout=0.2, name="multi_head_attention_1")(
        target
    )
    target = layers.Flatten(name="flatten")(target)  # (B, 80)
    logits = layers.Dense(2, name="output")(target)  # (B, 2)
    return keras.Model(inputs, logits, name="CrossAttentionModel")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    memory = keras.random.normal((1, 9, 24))
    target = keras.random.normal((1, 5, 16))
    logits = model([memory, target])
    print("logits:", ops.convert_to_numpy(logits)[0].tolist())
