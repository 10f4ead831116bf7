"""Translate for TensorFlow (Keras 3), compiled from model.neural.

    source (11), target (7) -> [source -> Embedding(40) -> PositionalEncoding -> 2 x
        TransformerEncoder; target -> Embedding(30) -> PositionalEncoding] -> 2 x
        TransformerDecoder -> Output(30)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import math
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf
from keras import layers, ops


def scaled_dot_product_attention(
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """softmax(Q Kᵀ / √d) V; a query sees only the keys where `mask` is True."""
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3))  # (B, H, T, S)
    scores = scores / math.sqrt(query.shape[-1])
    weights = ops.softmax(ops.where(mask, scores, -1e9))  # (B, H, T, S)
    weights = ops.where(mask, weights, 0.0)  # a row without any valid key is 0
    return ops.matmul(weights, value)  # (B, H, T, d)


@keras.saving.register_keras_serializable()
class MultiHeadAttention(layers.Layer):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(
        self, d_model: int, num_heads: int, key_dim: int, causal: bool, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.causal = causal
        self.query = layers.Dense(num_heads * key_dim, name="query")
        self.key = layers.Dense(num_heads * key_dim, name="key")
        self.value = layers.Dense(num_heads * key_dim, name="value")
        self.projection = layers.Dense(d_model, name="projection")

    def call(self, x: tf.Tensor, memory: tf.Tensor, key_mask: tf.Tensor) -> tf.Tensor:
        q = self.split_heads(self.query(x))  # (B, H, T, d)
        k = self.split_heads(self.key(memory))  # (B, H, S, d)
        v = self.split_heads(self.value(memory))  # (B, H, S, d)
        allowed = key_mask[:, None, None, :]  # (B, 1, 1, S): the keys that may be seen
        if self.causal:
            position = ops.arange(ops.shape(x)[1])
            past = position[:, None] >= position  # (T, T)
            allowed = ops.logical_and(allowed, past)  # (B, 1, T, T)
        context = scaled_dot_product_attention(q, k, v, allowed)
        return self.projection(self.join_heads(context))  # (B, T, d_model)

    def split_heads(self, x: tf.Tensor) -> tf.Tensor:
        size = x.shape[-1] // self.num_heads
        x = ops.reshape(x, (-1, ops.shape(x)[1], self.num_heads, size))
        return ops.transpose(x, (0, 2, 1, 3))

    def join_heads(self, x: tf.Tensor) -> tf.Tensor:
        features = x.shape[1] * x.shape[3]
        x = ops.transpose(x, (0, 2, 1, 3))
        return ops.reshape(x, (-1, ops.shape(x)[1], features))


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
class PositionalEncoding(layers.Layer):
    """Adds a learned vector for each position, starting from N(0, 0.02)."""

    def __init__(self, d_model: int, max_len: int, **kwargs):
        super().__init__(**kwargs)
        self.shape = (max_len, d_model)

    def build(self, input_shape: tuple) -> None:
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.weight = self.add_weight(self.shape, start, name="weight")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.weight[: ops.shape(x)[1]]  # (B, T, d_model)


@keras.saving.register_keras_serializable()
class TransformerEncoder(layers.Layer):
    """Self-attention, then a feed-forward network; each added to its input, normalised."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.attention = MultiHeadAttention(
            d_model,
            num_heads,
            key_dim=d_model // num_heads,
            causal=False,
            name="attention",
        )
        self.attention_norm = layers.LayerNormalization(
            epsilon=1e-5, name="attention_norm"
        )
        self.feed_forward = FeedForward(d_model, ff_dim, name="feed_forward")
        self.feed_forward_norm = layers.LayerNormalization(
            epsilon=1e-5, name="feed_forward_norm"
        )

    def call(self, x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        attended = self.attention(x, x, mask)
        x = self.attention_norm(x + attended)
        expanded = self.feed_forward(x)
        return self.feed_forward_norm(x + expanded)


@keras.saving.register_keras_serializable()
class TransformerDecoder(layers.Layer):
    """Causal self-attention, cross-attention, feed-forward; each with a residual."""

    def __init__(
        self, d_model: int, num_heads: int, ff_dim: int, dropout: float, **kwargs
    ):
        super().__init__(**kwargs)
        self.self_attention = MultiHeadAttention(
            d_model,
            num_heads,
            key_dim=d_model // num_heads,
            causal=True,
            name="self_attention",
        )
        self.self_attention_norm = layers.LayerNormalization(
            epsilon=1e-5, name="self_attention_norm"
        )
        self.cross_attention = MultiHeadAttention(
            d_model,
            num_heads,
            key_dim=d_model // num_heads,
            causal=False,
            name="cross_attention",
        )
        self.cross_attention_norm = layers.LayerNormalization(
            epsilon=1e-5, name="cross_attention_norm"
        )
        self.feed_forward = FeedForward(d_model, ff_dim, name="feed_forward")
        self.feed_forward_norm = layers.LayerNormalization(
            epsilon=1e-5, name="feed_forward_norm"
        )
        self.dropout = layers.Dropout(dropout)

    def call(
        self, x: tf.Tensor, memory: tf.Tensor, mask: tf.Tensor, memory_mask: tf.Tensor
    ) -> tf.Tensor:
        attended = self.self_attention(x, x, mask)
        x = self.self_attention_norm(x + self.dropout(attended))
        attended = self.cross_attention(x, memory, memory_mask)
        x = self.cross_attention_norm(x + self.dropout(attended))
        expanded = self.feed_forward(x)
        return self.feed_forward_norm(x + self.dropout(expanded))


def build_model() -> keras.Model:
    """Inputs source (B, 11), target (B, 7) to logits (B, 7, 30)."""
    source = keras.Input((11,), dtype="int64", name="source")
    target = keras.Input((7,), dtype="int64", name="target")
    inputs = [source, target]
    source_mask = ops.not_equal(source, 0)  # (B, T): True where a position is valid
    target_mask = ops.not_equal(target, 0)  # (B, T): True where a position is valid
    source = layers.Embedding(
        40, 16, keras.initializers.RandomNormal(stddev=0.02), name="embedding_0"
    )(source)  # (B, 11, 16)
    source = PositionalEncoding(d_model=16, max_len=11, name="positional_encoding_0")(
        source
    )  # (B, 11, 16)
    for i in range(2):
        source = TransformerEncoder(
            d_model=16, num_heads=4, ff_dim=32, name=f"transformer_encoder_{i}"
        )(source, source_mask)  # (B, 11, 16)
    target = layers.Embedding(
        30, 24, keras.initializers.RandomNormal(stddev=0.02), name="embedding_1"
    )(target)  # (B, 7, 24)
    target = PositionalEncoding(d_model=24, max_len=7, name="positional_encoding_1")(
        target
    )  # (B, 7, 24)
    for i in range(2):
        target = TransformerDecoder(
            d_model=24,
            num_heads=4,
            ff_dim=32,
            dropout=0.1,
            name=f"transformer_decoder_{i}",
        )(target, source, target_mask, source_mask)  # (B, 7, 24)
    # (B, 7, 30): logits, softmax makes them probabilities
    logits = layers.Dense(30, name="output")(target)
    return keras.Model(inputs, logits, name="Translate")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    source = keras.random.randint((1, 11), 1, 40)
    target = keras.random.randint((1, 7), 1, 30)
    logits = model([source, target])
    probabilities = keras.activations.softmax(logits)
    print("probabilities:", tuple(probabilities.shape))
