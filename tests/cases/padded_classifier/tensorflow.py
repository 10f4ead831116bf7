"""PaddedClassifier for TensorFlow (Keras 3), compiled from model.neural.

    input (None) -> Embedding(50) -> PositionalEncoding -> 3 x TransformerEncoder ->
        Conv1D(16) -> GlobalMaxPooling1D -> Output(3)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


@keras.saving.register_keras_serializable()
class MaskedMaxPooling1D(layers.Layer):
    """The maximum over the valid positions, 0 without any: (B, T, d) to (B, d)."""

    def call(self, x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        valid = mask[:, :, None]  # (B, T, 1)
        largest = ops.max(ops.where(valid, x, float("-inf")), axis=1)
        return ops.where(ops.any(valid, axis=1), largest, 0.0)


def split_heads(x: tf.Tensor, num_heads: int) -> tf.Tensor:
    x = ops.reshape(x, (-1, ops.shape(x)[1], num_heads, x.shape[-1] // num_heads))
    return ops.transpose(x, (0, 2, 1, 3))  # (B, H, T, d)


def scaled_dot_product_attention(
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """softmax(Q Kᵀ / √d) V; a query sees only the keys where `mask` is True."""
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3)) / query.shape[-1] ** 0.5
    weights = ops.softmax(ops.where(mask, scores, -1e9))
    weights = ops.where(mask, weights, 0.0)  # a row without any valid key is 0
    return ops.matmul(weights, value)  # (B, H, T, d)


@keras.saving.register_keras_serializable()
class MultiHeadAttention(layers.Layer):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(
        self, d_model: int, num_heads: int, use_bias: bool, causal: bool, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.causal = causal
        self.query = layers.Dense(d_model, use_bias=use_bias, name="query")
        self.key = layers.Dense(d_model, use_bias=use_bias, name="key")
        self.value = layers.Dense(d_model, use_bias=use_bias, name="value")
        self.projection = layers.Dense(d_model, use_bias=use_bias, name="projection")

    def call(self, x: tf.Tensor, key_mask: tf.Tensor) -> tf.Tensor:
        q = split_heads(self.query(x), self.num_heads)  # (B, H, T, d)
        k = split_heads(self.key(x), self.num_heads)  # (B, H, T, d)
        v = split_heads(self.value(x), self.num_heads)  # (B, H, T, d)
        allowed = key_mask[:, None, None, :]  # (B, 1, 1, T): the keys that may be seen
        if self.causal:
            position = ops.arange(ops.shape(x)[1])
            past = position[:, None] >= position  # (T, T)
            allowed = ops.logical_and(allowed, past)  # (B, 1, T, T)
        context = scaled_dot_product_attention(q, k, v, allowed)
        context = ops.transpose(context, (0, 2, 1, 3))  # (B, T, H, d)
        return self.projection(ops.reshape(context, ops.shape(x)))


@keras.saving.register_keras_serializable()
class FeedForward(layers.Layer):
    """Two dense layers, applied to each position alone."""

    def __init__(self, d_model: int, ff_dim: int, activation: str, **kwargs):
        super().__init__(**kwargs)
        self.expand = layers.Dense(ff_dim, activation=activation, name="expand")
        self.contract = layers.Dense(d_model, name="contract")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.contract(self.expand(x))


@keras.saving.register_keras_serializable()
class PositionalEncoding(layers.Layer):
    """Adds sines and cosines of each position (Vaswani et al., 2017, section 3.5)."""

    def __init__(self, d_model: int, max_len: int, **kwargs):
        super().__init__(**kwargs)
        position = np.arange(max_len)[:, None]  # (T, 1)
        angle = position / 10000 ** (np.arange(0, d_model, 2) / d_model)
        table = np.zeros((max_len, d_model), "float32")
        table[:, 0::2] = np.sin(angle)  # (T, d_model / 2)
        table[:, 1::2] = np.cos(angle)[:, : d_model // 2]
        self.table = ops.convert_to_tensor(table)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.table[: ops.shape(x)[1]]


@keras.saving.register_keras_serializable()
class PreNormTransformerEncoder(layers.Layer):
    """Self-attention, then a feed-forward network; each normalises, then adds."""

    def __init__(
        self, d_model: int, num_heads: int, ff_dim: int, activation: str, **kwargs
    ):
        super().__init__(**kwargs)
        norm = layers.LayerNormalization
        self.attention = MultiHeadAttention(
            d_model, num_heads, use_bias=True, causal=False, name="attention"
        )
        self.attention_norm = norm(epsilon=1e-5, name="attention_norm")
        self.feed_forward = FeedForward(
            d_model, ff_dim, activation, name="feed_forward"
        )
        self.feed_forward_norm = norm(epsilon=1e-5, name="feed_forward_norm")

    def call(self, x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        x = x + self.attention(self.attention_norm(x), mask)
        return x + self.feed_forward(self.feed_forward_norm(x))


@keras.saving.register_keras_serializable()
class PostNormTransformerEncoder(layers.Layer):
    """Causal attention, then a feed-forward network; each adds, then normalises."""

    def __init__(
        self, d_model: int, num_heads: int, ff_dim: int, activation: str, **kwargs
    ):
        super().__init__(**kwargs)
        norm = layers.LayerNormalization
        self.attention = MultiHeadAttention(
            d_model, num_heads, use_bias=False, causal=True, name="attention"
        )
        self.attention_norm = norm(epsilon=1e-5, name="attention_norm")
        self.feed_forward = FeedForward(
            d_model, ff_dim, activation, name="feed_forward"
        )
        self.feed_forward_norm = norm(epsilon=1e-5, name="feed_forward_norm")

    def call(self, x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        x = self.attention_norm(x + self.attention(x, mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


def build_model() -> keras.Model:
    """Token ids (B, T) to logits (B, 3)."""
    tokens = keras.Input((None,), dtype="int64", name="input")
    mask = ops.not_equal(tokens, 0)  # (B, T): True where a position is valid
    x = layers.Embedding(
        50, 16, keras.initializers.RandomNormal(stddev=0.02), name="embedding"
    )(tokens)  # (B, T, 16)
    x = PositionalEncoding(d_model=16, max_len=64, name="positional_encoding")(x)
    for i in range(2):
        x = PreNormTransformerEncoder(
            d_model=16,
            num_heads=4,
            ff_dim=32,
            activation="gelu",
            name=f"transformer_encoder_{i}",
        )(x, mask)
    x = PostNormTransformerEncoder(
        d_model=16,
        num_heads=2,
        ff_dim=32,
        activation="relu",
        name="transformer_encoder_2",
    )(x, mask)
    x = layers.Conv1D(16, 3, padding="same", activation="relu", name="conv1d")(x)
    x = MaskedMaxPooling1D(name="global_max_pooling1d")(x, mask)  # (B, 16)
    logits = layers.Dense(3, name="output")(x)  # (B, 3)
    return keras.Model(tokens, logits, name="PaddedClassifier")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    probabilities = keras.activations.softmax(
        model(keras.random.randint((1, 16), 1, 50))
    )
    print("probabilities:", ops.convert_to_numpy(probabilities)[0].tolist())
