"""Translate for TensorFlow (Keras 3), compiled from model.neural.

    source (11), target (7) -> [source -> Embedding(40) -> PositionalEncoding -> 2 x
        TransformerEncoder; target -> Embedding(30) -> PositionalEncoding] -> 2 x
        TransformerDecoder -> Output(30)

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
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """softmax(Q Kᵀ / √d) V; a query sees only the keys where `mask` is True."""
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3)) / query.shape[-1] ** 0.5
    weights = ops.softmax(ops.where(mask, scores, -1e9))
    weights = ops.where(mask, weights, 0.0)  # a row without any valid key is 0
    return ops.matmul(weights, value)  # (B, H, T, d)


@keras.saving.register_keras_serializable()
class SelfAttention(layers.Layer):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, causal: bool, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.causal = causal
        self.query = layers.Dense(d_model, name="query")
        self.key = layers.Dense(d_model, name="key")
        self.value = layers.Dense(d_model, name="value")
        self.projection = layers.Dense(d_model, name="projection")

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
class CrossAttention(layers.Layer):
    """Scaled dot-product attention to a memory, in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.query = layers.Dense(d_model, name="query")
        self.key = layers.Dense(d_model, name="key")
        self.value = layers.Dense(d_model, name="value")
        self.projection = layers.Dense(d_model, name="projection")

    def call(self, x: tf.Tensor, memory: tf.Tensor, key_mask: tf.Tensor) -> tf.Tensor:
        q = split_heads(self.query(x), self.num_heads)  # (B, H, T, d)
        k = split_heads(self.key(memory), self.num_heads)  # (B, H, S, d)
        v = split_heads(self.value(memory), self.num_heads)  # (B, H, S, d)
        allowed = key_mask[:, None, None, :]  # (B, 1, 1, S): the keys that may be seen
        context = scaled_dot_product_attention(q, k, v, allowed)
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
class PositionalEncoding(layers.Layer):
    """Adds a learned vector for each position, starting from N(0, 0.02)."""

    def __init__(self, d_model: int, max_len: int, **kwargs):
        super().__init__(**kwargs)
        self.shape = (max_len, d_model)

    def build(self, input_shape: tuple) -> None:
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.weight = self.add_weight(self.shape, start, name="weight")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.weight[: ops.shape(x)[1]]


@keras.saving.register_keras_serializable()
class TransformerEncoder(layers.Layer):
    """Self-attention, then a feed-forward network; each adds, then normalises."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int, **kwargs):
        super().__init__(**kwargs)
        norm = layers.LayerNormalization
        self.attention = SelfAttention(
            d_model, num_heads, causal=False, name="attention"
        )
        self.attention_norm = norm(epsilon=1e-5, name="attention_norm")
        self.feed_forward = FeedForward(d_model, ff_dim, name="feed_forward")
        self.feed_forward_norm = norm(epsilon=1e-5, name="feed_forward_norm")

    def call(self, x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        x = self.attention_norm(x + self.attention(x, mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


@keras.saving.register_keras_serializable()
class TransformerDecoder(layers.Layer):
    """Causal attention, cross-attention, then a feed-forward network; each adds,
    then normalises."""

    def __init__(
        self, d_model: int, num_heads: int, ff_dim: int, dropout: float, **kwargs
    ):
        super().__init__(**kwargs)
        norm = layers.LayerNormalization
        self.self_attention = SelfAttention(
            d_model, num_heads, causal=True, name="self_attention"
        )
        self.self_attention_norm = norm(epsilon=1e-5, name="self_attention_norm")
        self.cross_attention = CrossAttention(
            d_model, num_heads, name="cross_attention"
        )
        self.cross_attention_norm = norm(epsilon=1e-5, name="cross_attention_norm")
        self.feed_forward = FeedForward(d_model, ff_dim, name="feed_forward")
        self.feed_forward_norm = norm(epsilon=1e-5, name="feed_forward_norm")
        self.dropout = layers.Dropout(dropout)

    def call(
        self, x: tf.Tensor, memory: tf.Tensor, mask: tf.Tensor, memory_mask: tf.Tensor
    ) -> tf.Tensor:
        x = self.self_attention_norm(x + self.dropout(self.self_attention(x, mask)))
        x = self.cross_attention_norm(
            x + self.dropout(self.cross_attention(x, memory, memory_mask))
        )
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))


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
    )
    for i in range(2):
        source = TransformerEncoder(
            d_model=16, num_heads=4, ff_dim=32, name=f"transformer_encoder_{i}"
        )(source, source_mask)
    target = layers.Embedding(
        30, 24, keras.initializers.RandomNormal(stddev=0.02), name="embedding_1"
    )(target)  # (B, 7, 24)
    target = PositionalEncoding(d_model=24, max_len=7, name="positional_encoding_1")(
        target
    )
    for i in range(2):
        target = TransformerDecoder(
            d_model=24,
            num_heads=4,
            ff_dim=32,
            dropout=0.1,
            name=f"transformer_decoder_{i}",
        )(target, source, target_mask, source_mask)
    logits = layers.Dense(30, name="output")(target)  # (B, 7, 30)
    return keras.Model(inputs, logits, name="Translate")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    source = keras.random.randint((1, 11), 1, 40)
    target = keras.random.randint((1, 7), 1, 30)
    probabilities = keras.activations.softmax(model([source, target]))
    print("probabilities:", tuple(probabilities.shape))
