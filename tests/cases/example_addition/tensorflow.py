"""Addition for TensorFlow (Keras 3), compiled from addition.neural.

    input (None) -> Embedding(13) -> PositionalEncoding -> 2 x TransformerDecoder ->
        LayerNormalization -> Output(13)

Run this file to train the model and to test it: python tensorflow.py
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from safetensors.numpy import save_file

BATCH_SIZE = 128  # problems a step
TOTAL_STEPS = 1500
VALIDATE_EVERY = 50  # steps
LEARNING_RATE = 0.002
WARMUP_STEPS = 50
GRADIENT_CLIP = 1.0  # largest norm of all gradients
PATIENCE = 10  # validations without improvement


# --- data

SYMBOLS = ["PAD", *"0123456789=+"]  # the symbol of each id
LARGEST = 99
IGNORED = -100  # a target that the loss leaves out
HASH = 6364136223846793005  # scatters the problems (Knuth's MMIX)
SPLITS = {"test": (0, 13), "validation": (13, 36), "train": (36, 100)}
SIZES = {"validation": 2000, "test": 1000}


def draw(split: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Random problems `a+b`, a and b (count, 2); a hash, 0 to 99, tells their split."""
    first, end = SPLITS[split]
    found = np.empty((0, 2), dtype=np.int64)
    while len(found) < count:
        x = rng.integers(1, LARGEST + 1, size=(2 * count, 2))
        code = x @ HASH ** np.arange(1, 3)
        code = ((code ^ code >> 32) * HASH >> 40) % 100
        found = np.concatenate([found, x[(first <= code) & (code < end)]])
        if split != "train":  # each of them once
            found = found[np.sort(np.unique(found, axis=0, return_index=True)[1])]
    return found[:count]


def examples(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets (B, 8): each position predicts the next symbol."""
    texts = [f"{a:02d}+{b:02d}={a + b:03d}" for a, b in x.tolist()]
    tokens = np.array([[SYMBOLS.index(symbol) for symbol in text] for text in texts])
    targets = tokens.copy()
    targets[:, :6] = IGNORED  # the prompt is nobody's to predict
    return tokens[:, :-1], targets[:, 1:]


def batch(seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Fresh problems, always the same ones for a seed and a number."""
    return examples(draw("train", BATCH_SIZE, np.random.default_rng((seed, number))))


def held_out(split: str) -> tuple[np.ndarray, np.ndarray]:
    """All examples of "validation" or "test"."""
    return examples(draw(split, SIZES[split], np.random.default_rng(0)))


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
    """Token ids (B, T) to logits (B, T, 13)."""
    tokens = keras.Input((None,), dtype="int64", name="input")
    x = layers.Embedding(
        13, 128, keras.initializers.RandomNormal(stddev=0.02), name="embedding"
    )(tokens)  # (B, T, 128)
    x = PositionalEncoding(d_model=128, max_len=8, name="positional_encoding")(x)
    for i in range(2):
        x = TransformerDecoder(
            d_model=128, num_heads=4, ff_dim=512, name=f"transformer_decoder_{i}"
        )(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="layer_normalization")(x)
    logits = layers.Dense(13, name="output")(x)  # (B, T, 13)
    return keras.Model(tokens, logits, name="Addition")


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
    """The mean cross-entropy of the targets that are not IGNORED."""
    losses = keras.losses.sparse_categorical_crossentropy(
        targets, logits, from_logits=True, ignore_class=IGNORED
    )
    return ops.sum(losses) / ops.sum(ops.cast(targets != IGNORED, losses.dtype))


class Training:
    """Trains a model. Iterate it: each turn is one optimiser step."""

    def __init__(self, model: keras.Model, seed: int = 0):
        self.model, self.seed = model, seed
        self.optimizer = keras.optimizers.AdamW(
            LEARNING_RATE, beta_2=0.98, weight_decay=0.01, global_clipnorm=GRADIENT_CLIP
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
                self.watch(result.validation["exact_match"])
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
        """Keep the best weights, and stop when the exact match stands still."""
        if value > self.best:
            self.best, self.waited = value, 0
            self.best_weights = self.model.get_weights()
        else:
            self.waited += 1
        self.stopped = value >= 1.0 or self.waited >= PATIENCE


def evaluate(model: keras.Model, split: str) -> dict[str, float]:
    """Loss and exact match over a split. An answer is right as a whole."""
    inputs, targets = held_out(split)
    total, counted, right = 0.0, 0, 0
    for start in range(0, len(targets), BATCH_SIZE):
        x, y = (each[start : start + BATCH_SIZE] for each in (inputs, targets))
        logits = model.predict_on_batch(x)
        count = int((y != IGNORED).sum())
        total += count * float(loss_function(tf.constant(logits), y))
        counted += count
        right += int(((logits.argmax(-1) == y) | (y == IGNORED)).all(axis=1).sum())
    return {"loss": total / counted, "exact_match": right / len(targets)}


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = build_model()
    training = Training(model)
    for step in training:
        if step.validation:
            loss, exact = float(step.loss), step.validation["exact_match"]
            if not math.isfinite(loss):
                raise SystemExit(f"the loss became {loss}: try a smaller learning rate")
            print(f"step {step.step:5d}  loss {loss:.4f}  exact match {exact:.1%}")
    model.set_weights(training.best_weights)
    save_file({w.path: w.numpy() for w in model.weights}, "addition.safetensors")
    print(f"test exact match {evaluate(model, 'test')['exact_match']:.1%}")
