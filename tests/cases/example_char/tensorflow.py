"""CharGPT for TensorFlow (Keras 3), compiled from char.neural.

    input (None) -> Embedding(61) -> PositionalEncoding -> 6 x TransformerDecoder ->
        LayerNormalization -> Output(61)

Run this file to train the model and to test it: python tensorflow.py
It reads genesis.txt, relative to the folder that it is run in.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from safetensors.numpy import save_file

BATCH_SIZE = 32  # problems a step
TOTAL_STEPS = 800
VALIDATE_EVERY = 100  # steps
LEARNING_RATE = 0.002
WARMUP_STEPS = 50
GRADIENT_CLIP = 1.0  # largest norm of all gradients
PATIENCE = 2  # validations without improvement


# --- data

PATH = "genesis.txt"
CONTEXT = 64  # tokens that the model sees at once
PARTS = {"train": (0, 18), "validation": (18, 19), "test": (19, 20)}  # twentieths


@cache
def tokens(split: str) -> np.ndarray:
    """The ids of a part of the text; the last tenth is held out, and 0 is padding."""
    text = Path(PATH).read_text("utf-8-sig")
    ids = {symbol: id for id, symbol in enumerate(sorted(set(text)), start=1)}
    first, end = (len(text) * part // 20 for part in PARTS[split])
    return np.array([ids[symbol] for symbol in text[first:end]])


def windows(split: str, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tokens (B, CONTEXT) from some places on, and what follows each of them."""
    found = tokens(split)[starts[:, None] + np.arange(CONTEXT + 1)]
    return found[:, :-1], found[:, 1:]


def batch(seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows from random places, always the same ones for a seed and a number."""
    rng = np.random.default_rng((seed, number))
    starts = rng.integers(len(tokens("train")) - CONTEXT, size=BATCH_SIZE)
    return windows("train", starts)


def held_out(split: str) -> tuple[np.ndarray, np.ndarray]:
    """All of "validation" or "test", one window after another."""
    return windows(split, np.arange(0, len(tokens(split)) - CONTEXT, CONTEXT))


# --- model


def split_heads(x: tf.Tensor, num_heads: int) -> tf.Tensor:
    x = ops.reshape(x, (-1, ops.shape(x)[1], num_heads, x.shape[-1] // num_heads))
    return ops.transpose(x, (0, 2, 1, 3))  # (B, H, T, d)


def scaled_dot_product_attention(
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, mask: tf.Tensor
) -> tf.Tensor:
    """softmax(Q Kᵀ / √d) V; a query sees only the keys where `mask` is True."""
    scores = ops.matmul(query, ops.swapaxes(key, 2, 3)) / query.shape[-1] ** 0.5
    weights = ops.softmax(ops.where(mask, scores, -1e9))
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

    def call(self, x: tf.Tensor) -> tf.Tensor:
        q = split_heads(self.query(x), self.num_heads)  # (B, H, T, d)
        k = split_heads(self.key(x), self.num_heads)  # (B, H, T, d)
        v = split_heads(self.value(x), self.num_heads)  # (B, H, T, d)
        position = ops.arange(ops.shape(x)[1])
        allowed = position[:, None] >= position  # (T, T): the past
        context = scaled_dot_product_attention(q, k, v, allowed)
        context = ops.transpose(context, (0, 2, 1, 3))  # (B, T, H, d)
        return self.projection(ops.reshape(context, ops.shape(x)))


@keras.saving.register_keras_serializable()
class FeedForward(layers.Layer):
    """Two dense layers, applied to each position alone."""

    def __init__(self, d_model: int, ff_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.expand = layers.Dense(ff_dim, activation="gelu", name="expand")
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
class TransformerDecoder(layers.Layer):
    """Causal attention, then a feed-forward network; each normalises, then adds."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int, **kwargs):
        super().__init__(**kwargs)
        norm = layers.LayerNormalization
        self.self_attention = MultiHeadAttention(
            d_model, num_heads, name="self_attention"
        )
        self.self_attention_norm = norm(epsilon=1e-5, name="self_attention_norm")
        self.feed_forward = FeedForward(d_model, ff_dim, name="feed_forward")
        self.feed_forward_norm = norm(epsilon=1e-5, name="feed_forward_norm")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = x + self.self_attention(self.self_attention_norm(x))
        return x + self.feed_forward(self.feed_forward_norm(x))


def build_model() -> keras.Model:
    """Token ids (B, T) to logits (B, T, 61)."""
    tokens_2 = keras.Input((None,), dtype="int64", name="input")
    x = layers.Embedding(
        61, 128, keras.initializers.RandomNormal(stddev=0.02), name="embedding"
    )(tokens_2)  # (B, T, 128)
    x = PositionalEncoding(d_model=128, max_len=64, name="positional_encoding")(x)
    for i in range(6):
        x = TransformerDecoder(
            d_model=128, num_heads=8, ff_dim=512, name=f"transformer_decoder_{i}"
        )(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="layer_normalization")(x)
    logits = layers.Dense(61, name="output")(x)  # (B, T, 61)
    return keras.Model(tokens_2, logits, name="CharGPT")


# --- training


@dataclass
class Step:
    """One optimiser step; the last of each round carries a validation."""

    step: int  # steps done so far
    loss: tf.Tensor  # of this step's batch, before the step
    learning_rate: float
    validation: dict[str, float] | None = None


def learning_rate(step: int) -> float:
    """Linear warm-up, then half a cosine down to 0 at the last step."""
    if step < WARMUP_STEPS:
        return LEARNING_RATE * (step + 1) / WARMUP_STEPS
    progress = (step - WARMUP_STEPS) / (TOTAL_STEPS - WARMUP_STEPS)
    return LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * progress))


def loss_function(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """The mean cross-entropy of the next tokens."""
    losses = keras.losses.sparse_categorical_crossentropy(
        targets, logits, from_logits=True
    )
    return ops.mean(losses)


class Training:
    """Trains a model. Iterate it: each turn is one optimiser step."""

    def __init__(self, model: keras.Model, seed: int = 0):
        self.model, self.seed = model, seed
        self.optimizer = keras.optimizers.AdamW(
            LEARNING_RATE, beta_2=0.99, weight_decay=0.1, global_clipnorm=GRADIENT_CLIP
        )
        vectors = [v for v in model.trainable_variables if len(v.shape) < 2]
        self.optimizer.exclude_from_weight_decay(vectors)  # biases and norms
        self.optimizer.build(model.trainable_variables)
        self.step = 0
        self.best, self.waited, self.stopped = -math.inf, 0, False
        self.best_weights = model.get_weights()

    def __iter__(self) -> Iterator[Step]:
        while self.step < TOTAL_STEPS and not self.stopped:
            rate = learning_rate(self.step)
            self.optimizer.learning_rate = rate
            x, y = batch(self.seed, self.step)
            result = Step(self.step + 1, self.update(x, y), rate)
            self.step += 1
            if self.step % VALIDATE_EVERY == 0 or self.step == TOTAL_STEPS:
                result.validation = evaluate(self.model, "validation")
                self.watch(-result.validation["loss"])
            yield result

    @tf.function(reduce_retracing=True)
    def update(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """One optimiser step on a batch; returns the loss before it."""
        with tf.GradientTape() as tape:
            loss = loss_function(self.model(x, training=True), y)
        gradients = tape.gradient(loss, self.model.trainable_variables)
        gradients = [tf.convert_to_tensor(each) for each in gradients]  # no slices
        self.optimizer.apply(gradients)
        return loss

    def watch(self, value: float) -> None:
        """Keep the best weights, and stop when minus the loss stands still."""
        if value > self.best:
            self.best, self.waited = value, 0
            self.best_weights = self.model.get_weights()
        else:
            self.waited += 1
        self.stopped = self.waited >= PATIENCE


def evaluate(model: keras.Model, split: str) -> dict[str, float]:
    """Loss over a split."""
    inputs, targets = held_out(split)
    total, counted = 0.0, 0
    for start in range(0, len(targets), BATCH_SIZE):
        x, y = (each[start : start + BATCH_SIZE] for each in (inputs, targets))
        logits = model.predict_on_batch(x)
        count = y.size
        total += count * float(loss_function(tf.constant(logits), y))
        counted += count
    return {"loss": total / counted}


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    training = Training(model)
    for step in training:
        if step.validation:
            loss, unseen = float(step.loss), step.validation["loss"]
            if not math.isfinite(loss):
                raise SystemExit(f"the loss became {loss}: try a smaller learning rate")
            print(f"step {step.step:5d}  loss {loss:.4f}  validation {unseen:.4f}")
    model.set_weights(training.best_weights)
    save_file({w.path: w.numpy() for w in model.weights}, "chargpt.safetensors")
    result = evaluate(model, "test")
    loss, perplexity = result["loss"], math.exp(result["loss"])
    print(f"test loss {loss:.4f}, perplexity {perplexity:.2f}")
