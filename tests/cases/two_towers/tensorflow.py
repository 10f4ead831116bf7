"""TwoTowers for TensorFlow (Keras 3), compiled from model.neural.

    question (6), answer (5), image (4, 8) -> [question -> Embedding(20); answer ->
        Embedding(20); image -> Dense(8)] -> Concatenate -> TransformerEncoder ->
        GlobalAveragePooling1D -> Output(2)

Run this file for a summary and a forward pass: python tensorflow.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf
from keras import layers, ops


@keras.saving.register_keras_serializable()
class MaskedAveragePooling1D(layers.Layer):
    """The mean over the valid positions: x (B, T, d), mask (B, T) to (B, d)."""

    def call(self, x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        valid = ops.cast(mask[:, :, None], x.dtype)  # (B, T, 1)
        return ops.sum(x * valid, axis=1) / ops.maximum(ops.sum(valid, axis=1), 1)


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

    def __init__(self, d_model: int, num_heads: int, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.query = layers.Dense(d_model, name="query")
        self.key = layers.Dense(d_model, name="key")
        self.value = layers.Dense(d_model, name="value")
        self.projection = layers.Dense(d_model, name="projection")

    def call(self, x: tf.Tensor, key_mask: tf.Tensor) -> tf.Tensor:
        q = split_heads(self.query(x), self.num_heads)  # (B, H, T, d)
        k = split_heads(self.key(x), self.num_heads)  # (B, H, T, d)
        v = split_heads(self.value(x), self.num_heads)  # (B, H, T, d)
        allowed = key_mask[:, None, None, :]  # (B, 1, 1, T): the keys that may be seen
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
class TransformerEncoder(layers.Layer):
    """Self-attention, then a feed-forward network; each adds, then normalises."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int, **kwargs):
        super().__init__(**kwargs)
        norm = layers.LayerNormalization
        self.attention = MultiHeadAttention(d_model, num_heads, name="attention")
        self.attention_norm = norm(epsilon=1e-5, name="attention_norm")
        self.feed_forward = FeedForward(d_model, ff_dim, name="feed_forward")
        self.feed_forward_norm = norm(epsilon=1e-5, name="feed_forward_norm")

    def call(self, x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        x = self.attention_norm(x + self.attention(x, mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


def build_model() -> keras.Model:
    """Inputs question (B, 6), answer (B, 5), image (B, 4, 8) to logits (B, 2)."""
    question = keras.Input((6,), dtype="int64", name="question")
    answer = keras.Input((5,), dtype="int64", name="answer")
    image = keras.Input((4, 8), name="image")
    inputs = [question, answer, image]
    question_mask = ops.not_equal(question, 0)  # (B, T): True where a position is valid
    answer_mask = ops.not_equal(answer, 0)  # (B, T): True where a position is valid
    # (B, T): True where a position is valid
    unmasked = ops.repeat(ops.ones_like(question[:, :1], dtype="bool"), 4, axis=1)
    mask = layers.Concatenate(axis=1, name="mask_concatenate")(
        [question_mask, answer_mask, unmasked]
    )  # (B, T): True where a position is valid
    question = layers.Embedding(
        20, 8, keras.initializers.RandomNormal(stddev=0.02), name="embedding_0"
    )(question)  # (B, 6, 8)
    answer = layers.Embedding(
        20, 8, keras.initializers.RandomNormal(stddev=0.02), name="embedding_1"
    )(answer)  # (B, 5, 8)
    image = layers.Dense(8, name="dense")(image)
    x = layers.Concatenate(axis=-2, name="concatenate")([question, answer, image])
    x = TransformerEncoder(
        d_model=8, num_heads=2, ff_dim=16, name="transformer_encoder"
    )(x, mask)
    x = MaskedAveragePooling1D(name="global_average_pooling1d")(x, mask)  # (B, 8)
    logits = layers.Dense(2, name="output")(x)  # (B, 2)
    return keras.Model(inputs, logits, name="TwoTowers")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    model.summary()
    question = keras.random.randint((1, 6), 1, 20)
    answer = keras.random.randint((1, 5), 1, 20)
    image = keras.random.normal((1, 4, 8))
    probabilities = keras.activations.softmax(model([question, answer, image]))
    print("probabilities:", ops.convert_to_numpy(probabilities)[0].tolist())
