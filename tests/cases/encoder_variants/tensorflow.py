"""EncoderVariants for TensorFlow (Keras 3), compiled from model.neural.

    input (12, 24) -> 4 x TransformerEncoder -> TransformerDecoder ->
        GlobalAveragePooling1D -> Output(1)

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
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, mask: tf.Tensor | None = None
) -> tf.Tensor:
    """softmax(Q Kᵀ / √d) V; a query sees only the keys where `mask` is True."""
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3)) / query.shape[-1] ** 0.5
    if mask is not None:
        scores = ops.where(mask, scores, -1e9)
    weights = ops.softmax(scores)
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
        q = split_heads(self.query(x), self.num_heads)  # (B, H, T, d)
        k = split_heads(self.key(x), self.num_heads)  # (B, H, T, d)
        v = split_heads(self.value(x), self.num_heads)  # (B, H, T, d)
        allowed = None
        if self.causal:
            position = ops.arange(ops.shape(x)[1])
            allowed = position[:, None] >= position  # (T, T): the past
        context = scaled_dot_product_attention(q, k, v, allowed)
        context = ops.transpose(context, (0, 2, 1, 3))  # (B, T, H, d)
        joined = (-1, ops.shape(x)[1], self.num_heads * v.shape[-1])
        return self.projection(ops.reshape(context, joined))


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
    """Self-attention, then a feed-forward network; each adds, then normalises."""

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
        norm = layers.LayerNormalization
        self.attention = MultiHeadAttention(
            d_model,
            num_heads,
            key_dim=d_model // num_heads,
            causal=causal,
            name="attention",
        )
        self.attention_norm = norm(epsilon=epsilon, name="attention_norm")
        self.feed_forward = FeedForward(
            d_model, ff_dim, activation, name="feed_forward"
        )
        self.feed_forward_norm = norm(epsilon=epsilon, name="feed_forward_norm")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = self.attention_norm(x + self.attention(x))
        return self.feed_forward_norm(x + self.feed_forward(x))


@keras.saving.register_keras_serializable()
class PreNormTransformerEncoder(layers.Layer):
    """Self-attention, then a feed-forward network; each normalises, then adds."""

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
        norm = layers.LayerNormalization
        self.attention = MultiHeadAttention(
            d_model,
            num_heads,
            key_dim=d_model // num_heads,
            causal=False,
            name="attention",
        )
        self.attention_norm = norm(epsilon=1e-5, name="attention_norm")
        self.feed_forward = FeedForward(
            d_model, ff_dim, activation, name="feed_forward"
        )
        self.feed_forward_norm = norm(epsilon=1e-5, name="feed_forward_norm")
        self.dropout = layers.Dropout(dropout)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


@keras.saving.register_keras_serializable()
class NoNormTransformerEncoder(layers.Layer):
    """Self-attention, then a feed-forward network; each adds to its input."""

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
        x = x + self.attention(x)
        return x + self.feed_forward(x)


@keras.saving.register_keras_serializable()
class TransformerDecoder(layers.Layer):
    """Causal attention, then a feed-forward network; each adds, then normalises."""

    def __init__(
        self, d_model: int, num_heads: int, ff_dim: int, activation: str, **kwargs
    ):
        super().__init__(**kwargs)
        norm = layers.LayerNormalization
        self.self_attention = MultiHeadAttention(
            d_model,
            num_heads,
            key_dim=d_model // num_heads,
            causal=True,
            name="self_attention",
        )
        self.self_attention_norm = norm(epsilon=1e-5, name="self_attention_norm")
        self.feed_forward = FeedForward(
            d_model, ff_dim, activation, name="feed_forward"
        )
        self.feed_forward_norm = norm(epsilon=1e-5, name="feed_forward_norm")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = self.self_attention_norm(x + self.self_attention(x))
        return self.feed_forward_norm(x + self.feed_forward(x))


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
    )(inputs)
    x = PreNormTransformerEncoder(
        d_model=24,
        num_heads=3,
        ff_dim=16,
        dropout=0.1,
        activation="gelu",
        name="transformer_encoder_1",
    )(x)
    x = NoNormTransformerEncoder(
        d_model=24,
        num_heads=4,
        ff_dim=16,
        key_dim=5,
        activation="relu",
        name="transformer_encoder_2",
    )(x)
    x = PostNormTransformerEncoder(
        d_model=24,
        num_heads=4,
        ff_dim=16,
        activation="leaky_relu",
        causal=True,
        epsilon=0.01,
        name="transformer_encoder_3",
    )(x)
    x = TransformerDecoder(
        d_model=24, num_heads=2, ff_dim=8, activation="relu", name="transformer_decoder"
    )(x)
    x = layers.GlobalAveragePooling1D(name="global_average_pooling1d")(x)  # (B, 24)
    logits = layers.Dense(1, name="output")(x)  # (B, 1)
    return keras.Model(inputs, logits, name="EncoderVariants")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    logits = model(keras.random.normal((1, 12, 24)))
    print("logits:", ops.convert_to_numpy(logits)[0].tolist())
