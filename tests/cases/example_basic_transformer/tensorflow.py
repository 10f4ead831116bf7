"""BasicTransformer for TensorFlow (Keras 3), compiled from basic_transformer.neural.

    input (50, 256) -> TransformerEncoder -> GlobalAveragePooling1D -> Dense(64) ->
        Output(5)

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

    def __init__(
        self, d_model: int, num_heads: int, ff_dim: int, dropout: float, **kwargs
    ):
        super().__init__(**kwargs)
        norm = layers.LayerNormalization
        self.attention = MultiHeadAttention(d_model, num_heads, name="attention")
        self.attention_norm = norm(epsilon=1e-5, name="attention_norm")
        self.feed_forward = FeedForward(d_model, ff_dim, name="feed_forward")
        self.feed_forward_norm = norm(epsilon=1e-5, name="feed_forward_norm")
        self.dropout = layers.Dropout(dropout)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = self.attention_norm(x + self.dropout(self.attention(x)))
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))


def build_model() -> keras.Model:
    """Float input (B, 50, 256) to logits (B, 5)."""
    inputs = keras.Input((50, 256), name="input")
    x = TransformerEncoder(
        d_model=256, num_heads=4, ff_dim=512, dropout=0.1, name="transformer_encoder"
    )(inputs)
    x = layers.GlobalAveragePooling1D(name="global_average_pooling1d")(x)  # (B, 256)
    x = layers.Dense(64, activation="relu", name="dense")(x)  # (B, 64)
    logits = layers.Dense(5, name="output")(x)  # (B, 5)
    return keras.Model(inputs, logits, name="BasicTransformer")


def fit(model: keras.Model, x: tf.Tensor, y: tf.Tensor, **options) -> dict:
    """Trains for 10 epochs; `options` go to Keras' own `fit`."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.001), loss)
    return model.fit(x, y, **{"batch_size": 32, "epochs": 10, **options}).history


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    probabilities = keras.activations.softmax(model(keras.random.normal((1, 50, 256))))
    print("probabilities:", ops.convert_to_numpy(probabilities)[0].tolist())
