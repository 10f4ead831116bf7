"""Translator for Keras, by hand: the same model as translator_pytorch.py."""

import keras
import tensorflow as tf
from keras import layers


def scaled_dot_product_attention(query, key, value, mask=None):
    scores = tf.matmul(query, key, transpose_b=True) / query.shape[-1] ** 0.5
    if mask is not None:
        scores = tf.where(mask, scores, scores.dtype.min)
    weights = tf.nn.softmax(scores)
    if mask is not None:
        weights = tf.where(mask, weights, 0.0)
    return tf.matmul(weights, value)


class MultiHeadAttention(layers.Layer):
    def __init__(self, d_model, num_heads, key_dim, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.query = layers.Dense(num_heads * key_dim)
        self.key = layers.Dense(num_heads * key_dim)
        self.value = layers.Dense(num_heads * key_dim)
        self.projection = layers.Dense(d_model)

    def call(self, x, memory, mask):
        q, k, v = (
            tf.transpose(
                tf.reshape(part, (*tf.unstack(tf.shape(part)[:2]), self.num_heads, 4)),
                (0, 2, 1, 3),
            )
            for part in (self.query(x), self.key(memory), self.value(memory))
        )
        context = scaled_dot_product_attention(q, k, v, mask)
        context = tf.transpose(context, (0, 2, 1, 3))
        shape = (*tf.unstack(tf.shape(context)[:2]), 4 * self.num_heads)
        return self.projection(tf.reshape(context, shape))


class FeedForward(layers.Layer):
    def __init__(self, d_model, ff_dim, **kwargs):
        super().__init__(**kwargs)
        self.expand = layers.Dense(ff_dim, activation="relu")
        self.contract = layers.Dense(d_model)

    def call(self, x):
        return self.contract(self.expand(x))


class TransformerEncoder(layers.Layer):
    def __init__(self, d_model, num_heads, ff_dim, **kwargs):
        super().__init__(**kwargs)
        self.attention = MultiHeadAttention(d_model, num_heads, d_model // num_heads)
        self.attention_norm = layers.LayerNormalization(epsilon=1e-5)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = layers.LayerNormalization(epsilon=1e-5)

    def call(self, x, mask):
        x = self.attention_norm(x + self.attention(x, x, mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


class TransformerDecoder(layers.Layer):
    def __init__(self, d_model, num_heads, ff_dim, **kwargs):
        super().__init__(**kwargs)
        key_dim = d_model // num_heads
        self.self_attention = MultiHeadAttention(d_model, num_heads, key_dim)
        self.self_attention_norm = layers.LayerNormalization(epsilon=1e-5)
        self.cross_attention = MultiHeadAttention(d_model, num_heads, key_dim)
        self.cross_attention_norm = layers.LayerNormalization(epsilon=1e-5)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = layers.LayerNormalization(epsilon=1e-5)

    def call(self, x, memory, mask, memory_mask):
        length = tf.shape(x)[1]
        causal = tf.linalg.band_part(tf.ones((length, length), tf.bool), -1, 0)
        attended = self.self_attention(x, x, tf.logical_and(mask, causal))
        x = self.self_attention_norm(x + attended)
        x = self.cross_attention_norm(x + self.cross_attention(x, memory, memory_mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


class Encoders(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.layers = [TransformerEncoder(8, 2, 16) for _ in range(2)]

    def call(self, x, mask):
        for layer in self.layers:
            x = layer(x, mask)
        return x


class PaddingMask(layers.Layer):
    def call(self, ids):
        return tf.not_equal(ids, 0)[:, None, None, :]


def build_model():
    source = keras.Input((None,), dtype="int64", name="source")
    target = keras.Input((None,), dtype="int64", name="target")
    source_mask, target_mask = PaddingMask()(source), PaddingMask()(target)
    memory = layers.Embedding(11, 8, name="embedding_0")(source)
    memory = Encoders(name="blocks")(memory, source_mask)
    x = layers.Embedding(11, 8, name="embedding_1")(target)
    x = TransformerDecoder(8, 2, 16, name="transformer_decoder")(
        x, memory, target_mask, source_mask
    )
    x = layers.Conv1D(6, 3, padding="same", name="conv1d")(x)
    x = layers.BatchNormalization(epsilon=1e-5, name="batch_normalization")(x)
    logits = layers.Dense(5, name="output")(x)
    return keras.Model([source, target], logits, name="Translator")
