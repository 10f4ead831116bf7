"""Estimate for TensorFlow (Keras 3), compiled from model.neural.

    input (5) -> Embedding(9) -> TransformerEncoder -> GlobalAveragePooling1D ->
        Output(1)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import math
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
from keras import layers, ops


class MaskedAveragePooling1D(layers.Layer):
    """The mean over the valid positions: x (B, T, d), mask (B, T) to (B, d)."""

    def call(self, x, mask):
        valid = ops.cast(mask[:, :, None], x.dtype)  # (B, T, 1)
        return ops.sum(x * valid, axis=1) / ops.maximum(ops.sum(valid, axis=1), 1)


def scaled_dot_product_attention(query, key, value, mask):
    """softmax(Q Kᵀ / √d) V; a query sees only the keys where `mask` is True."""
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3))  # (B, H, T, T)
    scores = scores / math.sqrt(query.shape[-1])
    weights = ops.softmax(ops.where(mask, scores, -1e9))  # (B, H, T, T)
    weights = ops.where(mask, weights, 0.0)  # a row without any valid key is 0
    return ops.matmul(weights, value)  # (B, H, T, d)


class MultiHeadAttention(layers.Layer):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, key_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.query = layers.Dense(num_heads * key_dim)
        self.key = layers.Dense(num_heads * key_dim)
        self.value = layers.Dense(num_heads * key_dim)
        self.projection = layers.Dense(d_model)

    def call(self, x, key_mask):
        q = self.split_heads(self.query(x))  # (B, H, T, d)
        k = self.split_heads(self.key(x))  # (B, H, T, d)
        v = self.split_heads(self.value(x))  # (B, H, T, d)
        allowed = key_mask[:, None, None, :]  # (B, 1, 1, T): the keys that may be seen
        context = scaled_dot_product_attention(q, k, v, allowed)
        return self.projection(self.join_heads(context))  # (B, T, d_model)

    def split_heads(self, x):
        size = x.shape[-1] // self.num_heads
        x = ops.reshape(x, (-1, ops.shape(x)[1], self.num_heads, size))
        return ops.transpose(x, (0, 2, 1, 3))

    def join_heads(self, x):
        features = x.shape[1] * x.shape[3]
        x = ops.transpose(x, (0, 2, 1, 3))
        return ops.reshape(x, (-1, ops.shape(x)[1], features))


class FeedForward(layers.Layer):
    """Two dense layers, applied to each position alone."""

    def __init__(self, d_model: int, ff_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.expand = layers.Dense(ff_dim, activation="relu")
        self.contract = layers.Dense(d_model)

    def call(self, x):
        return self.contract(self.expand(x))


class TransformerEncoder(layers.Layer):
    """Self-attention, then a feed-forward network; each added to its input, normalised."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.attention = MultiHeadAttention(
            d_model, num_heads, key_dim=d_model // num_heads
        )
        self.attention_norm = layers.LayerNormalization(epsilon=1e-5)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = layers.LayerNormalization(epsilon=1e-5)

    def call(self, x, mask):
        attended = self.attention(x, mask)
        x = self.attention_norm(x + attended)
        expanded = self.feed_forward(x)
        return self.feed_forward_norm(x + expanded)


def build_model() -> keras.Model:
    """Token ids (B, 5) to logits (B, 1)."""
    tokens = keras.Input((5,), dtype="int64", name="input")
    mask = ops.not_equal(tokens, 0)  # (B, T): True where a position is valid
    x = layers.Embedding(
        9, 8, keras.initializers.RandomNormal(stddev=0.02), name="embedding"
    )(tokens)  # (B, 5, 8)
    x = TransformerEncoder(
        d_model=8, num_heads=2, ff_dim=8, name="transformer_encoder"
    )(x, mask)  # (B, 5, 8)
    x = MaskedAveragePooling1D(name="global_average_pooling1d")(x, mask)  # (B, 8)
    logits = layers.Dense(1, name="output")(x)  # (B, 1): logits
    return keras.Model(tokens, logits, name="Estimate")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    tokens = keras.random.randint((1, 5), 1, 9)
    logits = model(tokens)
    print("logits:", ops.convert_to_numpy(logits)[0].tolist())
