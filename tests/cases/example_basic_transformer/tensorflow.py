"""BasicTransformer for TensorFlow (Keras 3), compiled from basic_transformer.neural.

    input (50, 256) -> TransformerEncoder -> GlobalAveragePooling1D -> Dense(64) ->
        Output(5)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import math
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


def scaled_dot_product_attention(
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor
) -> tf.Tensor:
    """softmax(Q Kᵀ / √d) V."""
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3))  # (B, H, T, T)
    scores = scores / math.sqrt(query.shape[-1])
    weights = ops.softmax(scores)  # (B, H, T, T)
    return ops.matmul(weights, value)  # (B, H, T, d)


@keras.saving.register_keras_serializable()
class MultiHeadAttention(layers.Layer):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, key_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.query = layers.Dense(num_heads * key_dim, name="query")
        self.key = layers.Dense(num_heads * key_dim, name="key")
        self.value = layers.Dense(num_heads * key_dim, name="value")
        self.projection = layers.Dense(d_model, name="projection")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        q = self.split_heads(self.query(x))  # (B, H, T, d)
        k = self.split_heads(self.key(x))  # (B, H, T, d)
        v = self.split_heads(self.value(x))  # (B, H, T, d)
        context = scaled_dot_product_attention(q, k, v)
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
class TransformerEncoder(layers.Layer):
    """Self-attention, then a feed-forward network; each added to its input, normalised."""

    def __init__(
        self, d_model: int, num_heads: int, ff_dim: int, dropout: float, **kwargs
    ):
        super().__init__(**kwargs)
        self.attention = MultiHeadAttention(
            d_model, num_heads, key_dim=d_model // num_heads, name="attention"
        )
        self.attention_norm = layers.LayerNormalization(
            epsilon=1e-5, name="attention_norm"
        )
        self.feed_forward = FeedForward(d_model, ff_dim, name="feed_forward")
        self.feed_forward_norm = layers.LayerNormalization(
            epsilon=1e-5, name="feed_forward_norm"
        )
        self.dropout = layers.Dropout(dropout)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        attended = self.attention(x)
        x = self.attention_norm(x + self.dropout(attended))
        expanded = self.feed_forward(x)
        return self.feed_forward_norm(x + self.dropout(expanded))


def build_model() -> keras.Model:
    """Float input (B, 50, 256) to logits (B, 5)."""
    inputs = keras.Input((50, 256), name="input")
    x = TransformerEncoder(
        d_model=256, num_heads=4, ff_dim=512, dropout=0.1, name="transformer_encoder"
    )(inputs)  # (B, 50, 256)
    x = layers.GlobalAveragePooling1D(name="global_average_pooling1d")(x)  # (B, 256)
    x = layers.Dense(64, activation="relu", name="dense")(x)  # (B, 64)
    # (B, 5): logits, softmax makes them probabilities
    logits = layers.Dense(5, name="output")(x)
    return keras.Model(inputs, logits, name="BasicTransformer")


def fit(
    model: keras.Model, x: np.ndarray, y: np.ndarray, **options
) -> keras.callbacks.History:
    """Trains for 10 epochs; `options` go to Keras' own `fit`."""
    optimizer = keras.optimizers.Adam(0.001)
    model.compile(
        optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model.fit(x, y, batch_size=32, epochs=10, **options)


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    inputs = keras.random.normal((1, 50, 256))
    logits = model(inputs)
    probabilities = keras.activations.softmax(logits)
    print("probabilities:", ops.convert_to_numpy(probabilities)[0].tolist())
