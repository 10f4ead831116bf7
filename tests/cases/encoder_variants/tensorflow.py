"""EncoderVariants for TensorFlow (Keras 3), compiled from model.neural.

    input (12, 24) -> 4 x TransformerEncoder -> TransformerDecoder ->
        GlobalAveragePooling1D -> Output(1)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import math
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf
from keras import layers, ops


def scaled_dot_product_attention(
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, mask: tf.Tensor | None = None
) -> tf.Tensor:
    """softmax(Q Kᵀ / √d) V; a query sees only the keys where `mask` is True."""
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3))  # (B, H, T, T)
    scores = scores / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = ops.where(mask, scores, -1e9)
    weights = ops.softmax(scores)  # (B, H, T, T)
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

    def call(self, x: tf.Tensor) -> tf.Tensor:
        q = self.split_heads(self.query(x))  # (B, H, T, d)
        k = self.split_heads(self.key(x))  # (B, H, T, d)
        v = self.split_heads(self.value(x))  # (B, H, T, d)
        allowed = None
        if self.causal:
            position = ops.arange(ops.shape(x)[1])
            allowed = position[:, None] >= position  # (T, T): the past
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

    def __init__(self, d_model: int, ff_dim: int, activation: str, **kwargs):
        super().__init__(**kwargs)
        self.expand = layers.Dense(ff_dim, activation=activation, name="expand")
        self.contract = layers.Dense(d_model, name="contract")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.contract(self.expand(x))


@keras.saving.register_keras_serializable()
class PostNormTransformerEncoder(layers.Layer):
    """Self-attention, then a feed-forward network; each added to its input, normalised."""

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        activation: str,
        causal: bool,
        epsilon: float,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.attention = MultiHeadAttention(
            d_model,
            num_heads,
            key_dim=d_model // num_heads,
            causal=causal,
            name="attention",
        )
        self.attention_norm = layers.LayerNormalization(
            epsilon=epsilon, name="attention_norm"
        )
        self.feed_forward = FeedForward(
            d_model, ff_dim, activation, name="feed_forward"
        )
        self.feed_forward_norm = layers.LayerNormalization(
            epsilon=epsilon, name="feed_forward_norm"
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        attended = self.attention(x)
        x = self.attention_norm(x + attended)
        expanded = self.feed_forward(x)
        return self.feed_forward_norm(x + expanded)


@keras.saving.register_keras_serializable()
class PreNormTransformerEncoder(layers.Layer):
    """Self-attention, then a feed-forward network; each normalises first, then is added."""

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        dropout: float,
        activation: str,
        **kwargs,
    ):
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
        self.feed_forward = FeedForward(
            d_model, ff_dim, activation, name="feed_forward"
        )
        self.feed_forward_norm = layers.LayerNormalization(
            epsilon=1e-5, name="feed_forward_norm"
        )
        self.dropout = layers.Dropout(dropout)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        attended = self.attention(self.attention_norm(x))
        x = x + self.dropout(attended)
        expanded = self.feed_forward(self.feed_forward_norm(x))
        return x + self.dropout(expanded)


@keras.saving.register_keras_serializable()
class NoNormTransformerEncoder(layers.Layer):
    """Self-attention, then a feed-forward network; each is added to its input."""

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        key_dim: int,
        activation: str,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.attention = MultiHeadAttention(
            d_model, num_heads, key_dim=key_dim, causal=False, name="attention"
        )
        self.feed_forward = FeedForward(
            d_model, ff_dim, activation, name="feed_forward"
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        attended = self.attention(x)
        x = x + attended
        expanded = self.feed_forward(x)
        return x + expanded


@keras.saving.register_keras_serializable()
class TransformerDecoder(layers.Layer):
    """Causal self-attention, feed-forward; each with a residual."""

    def __init__(
        self, d_model: int, num_heads: int, ff_dim: int, activation: str, **kwargs
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
        self.feed_forward = FeedForward(
            d_model, ff_dim, activation, name="feed_forward"
        )
        self.feed_forward_norm = layers.LayerNormalization(
            epsilon=1e-5, name="feed_forward_norm"
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        attended = self.self_attention(x)
        x = self.self_attention_norm(x + attended)
        expanded = self.feed_forward(x)
        return self.feed_forward_norm(x + expanded)


def build_model() -> keras.Model:
    """Float input (B, 12, 24) to logits (B, 1)."""
    inputs = keras.Input((12, 24), name="input")
    x = PostNormTransformerEncoder(
        d_model=24,
        num_heads=2,
        ff_dim=32,
        activation="relu",
        causal=False,
        epsilon=1e-5,
        name="transformer_encoder_0",
    )(inputs)  # (B, 12, 24)
    x = PreNormTransformerEncoder(
        d_model=24,
        num_heads=3,
        ff_dim=16,
        dropout=0.1,
        activation="gelu",
        name="transformer_encoder_1",
    )(x)  # (B, 12, 24)
    x = NoNormTransformerEncoder(
        d_model=24,
        num_heads=4,
        ff_dim=16,
        key_dim=5,
        activation="relu",
        name="transformer_encoder_2",
    )(x)  # (B, 12, 24)
    x = PostNormTransformerEncoder(
        d_model=24,
        num_heads=4,
        ff_dim=16,
        activation="leaky_relu",
        causal=True,
        epsilon=0.01,
        name="transformer_encoder_3",
    )(x)  # (B, 12, 24)
    x = TransformerDecoder(
        d_model=24, num_heads=2, ff_dim=8, activation="relu", name="transformer_decoder"
    )(x)  # (B, 12, 24)
    x = layers.GlobalAveragePooling1D(name="global_average_pooling1d")(x)  # (B, 24)
    logits = layers.Dense(1, name="output")(x)  # (B, 1): logits
    return keras.Model(inputs, logits, name="EncoderVariants")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    inputs = keras.random.normal((1, 12, 24))
    logits = model(inputs)
    print("logits:", ops.convert_to_numpy(logits)[0].tolist())
