"""CharGPT for TensorFlow (Keras 3), compiled from char.neural.

    input (None) -> Embedding(61) -> PositionalEncoding -> 6 x TransformerDecoder ->
        LayerNormalization -> Output(61)

Run this file to train the model and to test it: python tensorflow.py
It reads genesis.txt, relative to the folder that it is run in.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

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


Split = Literal["train", "validation", "test"]
IGNORED = -100  # a target that the loss leaves out
PAD = 0  # the id that fills up the shorter sequences of a batch


class Task:
    """Examples to learn from, in three splits that share none.

    `symbols[id]` is the symbol behind an id. `max_length` is the longest model input. A
    causal task asks for the next symbol, so its model must not look ahead. `measure` is
    what tells how good a model is at it.
    """

    symbols: list[str]
    max_length: int
    causal = True
    measure: Literal["exact_match", "accuracy", "loss"] = "exact_match"

    def size(self, split: Split) -> int:
        """The number of examples in a split."""
        raise NotImplementedError

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets (B, T) of some examples.

        Inputs are padded with PAD; targets are IGNORED where no loss is taken.
        """
        raise NotImplementedError

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """The prompt and the answer of one example, as people write them."""
        raise NotImplementedError

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of a prompt, as the model reads it. Raises ValueError."""
        raise NotImplementedError

    def decode(self, ids: Sequence[int]) -> str:
        """The text of an answer, as people write it."""
        raise NotImplementedError

    def answer_length(self, prompt: str) -> int:
        """How many ids the answer to a prompt has at most."""
        raise NotImplementedError

    def is_end(self, id: int) -> bool:
        """Whether this id ends an answer before its full length."""
        return False

    def attention_for(self, prompt: str) -> list[tuple[int, tuple[int, ...]]] | None:
        """Where a model that solves the prompt must look: (query, keys) positions.

        The query is the position that predicts a symbol of the answer; the keys are
        what that symbol follows from. None where no such thing is known.
        """
        return None

    def known_attention(
        self, split: Split, index: int
    ) -> list[tuple[int, tuple[int, ...]]] | None:
        """`attention_for` the prompt of one example."""
        return self.attention_for(self.problem(split, index)[0])


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file. Raises OSError, and ValueError if it is no text."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        place = f"the byte at {error.start:,} is 0x{error.object[error.start]:02x}"
        raise ValueError(f"{path} is not a text in UTF-8: {place}") from None
    if "\0" in text:
        raise ValueError(f"{path} is a binary file, not a text: it holds NUL bytes")
    if not text.strip():
        raise ValueError(f"{path} is empty")
    return text


class Tokenizer:
    """Cuts a text into tokens. `symbols[id]` is the text of an id; id 0 is padding."""

    symbols: list[str]

    def learn(self, texts: Mapping[Split, str]) -> None:
        """Find the symbols in the parts of a text. Raises ValueError."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises ValueError."""
        raise NotImplementedError

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        raise NotImplementedError


class Text(Task):
    """A text, cut into windows of `context` tokens, each followed by one more.

    The last tenth is held out, half of it for validation and half for the test.
    """

    measure = "loss"

    def __init__(self, path: str, tokenizer: Tokenizer, context: int = 128):
        text = read_text(path)
        self.texts: dict[Split, str] = {
            "train": text[: len(text) * 18 // 20],
            "validation": text[len(text) * 18 // 20 : len(text) * 19 // 20],
            "test": text[len(text) * 19 // 20 :],
        }
        tokenizer.learn(self.texts)
        self.tokenizer = tokenizer
        self.symbols = tokenizer.symbols
        self.max_length = context
        self.tokens = {
            split: np.array(tokenizer.encode(part))
            for split, part in self.texts.items()
        }
        for split, tokens in self.tokens.items():
            if len(tokens) <= context:
                raise ValueError(
                    f"{path} is too short for context={context}: its {split} part has "
                    f"{len(tokens):,} tokens, and one window takes {context + 1:,}"
                )

    def size(self, split: Split) -> int:
        """The number of windows; each token but the first is predicted once."""
        return (len(self.tokens[split]) - 1) // self.max_length

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Windows (B, context) and what follows each of their tokens."""
        starts = indices * self.max_length
        windows = starts[:, None] + np.arange(self.max_length + 1)
        tokens = self.tokens[split][windows]
        return tokens[:, :-1], tokens[:, 1:]

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """Both halves of a window."""
        start, half = index * self.max_length, (self.max_length + 1) // 2
        tokens = self.tokens[split][start : start + self.max_length + 1].tolist()
        return self.decode(tokens[:half]), self.decode(tokens[half:])

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of the beginning of a text. Raises ValueError."""
        ids = self.tokenizer.encode(prompt)
        if not 1 <= len(ids) <= self.max_length:
            raise ValueError(
                f"the prompt has {len(ids):,} tokens; the model reads 1 to "
                f"{self.max_length:,}"
            )
        return np.array(ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return self.tokenizer.decode(ids)

    def answer_length(self, prompt: str) -> int:
        """What is left of the context."""
        return self.max_length - len(self.encode(prompt))


class Characters(Tokenizer):
    """Each character of a text, held out parts included, is a token."""

    def learn(self, texts: Mapping[Split, str]) -> None:
        """Take all characters, in their order."""
        self.symbols = ["PAD", *sorted(set("".join(texts.values())))]
        self.ids = {symbol: id for id, symbol in enumerate(self.symbols) if id}

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises ValueError."""
        for symbol in text:
            if symbol not in self.ids:
                raise ValueError(
                    f"the character {symbol!r} is not in the training text"
                )
        return [self.ids[symbol] for symbol in text]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return "".join(self.symbols[id] for id in ids if id)


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
        joined = (-1, ops.shape(x)[1], self.num_heads * v.shape[-1])
        return self.projection(ops.reshape(context, joined))


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
        self.self_attention = MultiHeadAttention(
            d_model, num_heads, name="self_attention"
        )
        self.self_attention_norm = layers.LayerNormalization(
            epsilon=1e-5, name="self_attention_norm"
        )
        self.feed_forward = FeedForward(d_model, ff_dim, name="feed_forward")
        self.feed_forward_norm = layers.LayerNormalization(
            epsilon=1e-5, name="feed_forward_norm"
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = x + self.self_attention(self.self_attention_norm(x))
        return x + self.feed_forward(self.feed_forward_norm(x))


def build_model() -> keras.Model:
    """Token ids (B, T) to logits (B, T, 61)."""
    tokens = keras.Input((None,), dtype="int64", name="input")
    x = layers.Embedding(
        61, 128, keras.initializers.RandomNormal(stddev=0.02), name="embedding"
    )(tokens)  # (B, T, 128)
    x = PositionalEncoding(d_model=128, max_len=64, name="positional_encoding")(x)
    for i in range(6):
        x = TransformerDecoder(
            d_model=128, num_heads=8, ff_dim=512, name=f"transformer_decoder_{i}"
        )(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="layer_normalization")(x)
    logits = layers.Dense(61, name="output")(x)  # (B, T, 61)
    return keras.Model(tokens, logits, name="CharGPT")


@dataclass
class Step:
    """One optimiser step; the last of each round carries a validation."""

    step: int  # steps done so far
    loss: tf.Tensor  # of this step's batch, before the step
    learning_rate: float
    tokens: int  # that this step read
    validation: dict[str, float] | None = None


def learning_rate(step: int) -> float:
    """Linear warm-up, then half a cosine down to 0 at the last step."""
    if step < WARMUP_STEPS:
        return LEARNING_RATE * (step + 1) / WARMUP_STEPS
    progress = min((step - WARMUP_STEPS) / max(TOTAL_STEPS - WARMUP_STEPS, 1), 1.0)
    return LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * progress))


def loss_function(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """The mean cross-entropy of the answer's tokens; other targets are IGNORED."""
    counted = ops.cast(ops.not_equal(targets, IGNORED), logits.dtype)  # (B, T)
    targets = ops.where(ops.equal(targets, IGNORED), 0, targets)
    losses = keras.losses.sparse_categorical_crossentropy(
        targets, logits, from_logits=True
    )
    return ops.sum(losses * counted) / ops.sum(counted)


@lru_cache(maxsize=1)
def batch_order(size: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the examples in an epoch, kept until the next epoch begins."""
    return np.random.default_rng((seed, epoch)).permutation(size)


class Training:
    """Trains a model on a task. Iterate it: each turn is one optimiser step.

    The order of the batches is a pure function of the seed and the epoch, so `state`
    and `load_state` carry a training over to another process bit for bit.
    """

    def __init__(self, model: keras.Model, task: Task, seed: int = 0):
        self.model = model
        self.task = task
        self.seed = seed
        self.optimizer = keras.optimizers.AdamW(
            LEARNING_RATE, beta_1=0.9, beta_2=0.99, epsilon=1e-7, weight_decay=0.1
        )
        self.optimizer.build(model.trainable_variables)
        self.step = 0
        self.best = -math.inf
        self.waited = 0
        self.stopped = False
        self.best_weights = model.get_weights()

    def __iter__(self) -> Iterator[Step]:
        while self.step < TOTAL_STEPS and not self.stopped:
            rate = learning_rate(self.step)
            loss, tokens = self.update(rate)
            self.step += 1
            result = Step(self.step, loss, rate, tokens)
            if self.step % VALIDATE_EVERY == 0 or self.step == TOTAL_STEPS:
                result.validation = evaluate(self.model, self.task, "validation")
                self.watch(result.validation)
            yield result

    def update(self, rate: float) -> tuple[tf.Tensor, int]:
        """One optimiser step; returns the loss before it and the tokens read."""
        self.optimizer.learning_rate.assign(rate)
        x, y = self.batch(self.step)
        return self.learn(x, y), x.shape[0] * x.shape[1]

    @tf.function(reduce_retracing=True)
    def learn(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """One step on a batch; returns the loss before it."""
        loss, gradients = self.differentiate(x, y)
        self.apply(gradients)
        return loss

    def differentiate(self, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, list]:
        with tf.GradientTape() as tape:
            loss = loss_function(self.model(x, training=True), y)
        gradients = tape.gradient(loss, self.model.trainable_variables)
        return loss, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def apply(self, gradients: list) -> None:
        gradients, _ = tf.clip_by_global_norm(gradients, GRADIENT_CLIP)
        self.optimizer.apply(gradients)

    def batch(self, number: int) -> tuple[tf.Tensor, tf.Tensor]:
        """The batch of that number, counted over all epochs: inputs and targets."""
        size = self.task.size("train")
        epoch, position = divmod(number, math.ceil(size / BATCH_SIZE))
        order = batch_order(size, self.seed, epoch)
        chosen = order[position * BATCH_SIZE : (position + 1) * BATCH_SIZE]
        x, y = self.task.batch("train", chosen)
        return tf.convert_to_tensor(x), tf.convert_to_tensor(y)

    def watch(self, validation: dict[str, float]) -> None:
        """Stop when the loss stands still."""
        value = -validation["loss"]
        if value > self.best:
            self.best, self.waited = value, 0
            self.best_weights = self.model.get_weights()
        else:
            self.waited += 1
        self.stopped = self.waited >= PATIENCE

    def restore_best_weights(self) -> None:
        """Back to the weights of the best validation."""
        self.model.set_weights(self.best_weights)

    def variables(self) -> dict[str, keras.Variable]:
        """Everything that training changes: weights, moments and random states."""
        found = {f"model.{i}": v for i, v in enumerate(self.model.variables)}
        found |= {f"optimizer.{i}": v for i, v in enumerate(self.optimizer.variables)}
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next steps depend on, as arrays."""
        arrays = {k: np.array(v.numpy()) for k, v in self.variables().items()}
        arrays |= {f"best.{i}": array for i, array in enumerate(self.best_weights)}
        progress = {
            "step": self.step,
            "best": self.best,
            "waited": self.waited,
            "stopped": self.stopped,
        }
        return arrays | {f"progress.{k}": np.array(v) for k, v in progress.items()}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on where `state` was taken."""
        for name, variable in self.variables().items():
            variable.assign(state[name])
        count = len(self.best_weights)
        self.best_weights = [state[f"best.{i}"] for i in range(count)]
        self.step = int(state["progress.step"])
        self.best = float(state["progress.best"])
        self.waited = int(state["progress.waited"])
        self.stopped = bool(state["progress.stopped"])


def evaluate(model: keras.Model, task: Task, split: str) -> dict[str, float]:
    """Loss over a split."""
    size, loss = task.size(split), 0.0
    for start in range(0, size, BATCH_SIZE):
        x, y = task.batch(split, np.arange(start, min(start + BATCH_SIZE, size)))
        logits = model.predict_on_batch(x)
        loss += len(y) * float(loss_function(tf.convert_to_tensor(logits), y))
    return {"loss": loss / size, "count": size}


def save_weights(model: keras.Model, path: str) -> None:
    """Writes the weights under the names that `neural visualize --weights` reads."""
    save_file(dict(named_weights(model)), path)


def named_weights(model: keras.Model) -> Iterator[tuple[str, np.ndarray]]:
    """Every weight under its layer's name, in PyTorch's layout: (out, in)."""
    for layer in model.layers:
        yield from weights_below(layer, layer.name)


def weights_below(value: object, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """The weights of a layer, or of a list of layers, by the names of attributes."""
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from weights_below(item, f"{name}.{i}")
    elif isinstance(value, layers.Layer):
        for attribute, inner in vars(value).items():
            if not attribute.startswith("_"):
                yield from weights_below(inner, f"{name}.{attribute}")
        for attribute, canonical in CANONICAL.items():
            variable = getattr(value, attribute, None)
            if isinstance(variable, keras.Variable):
                array = ops.convert_to_numpy(variable)
                array = array.T if attribute == "kernel" else array
                yield f"{name}.{canonical}", np.ascontiguousarray(array)


CANONICAL = {
    "kernel": "weight",
    "embeddings": "weight",
    "gamma": "weight",
    "weight": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def main() -> None:
    """Trains, prints how it goes, and tests on problems never seen."""
    keras.utils.set_random_seed(0)
    task = Text(path="genesis.txt", tokenizer=Characters(), context=64)
    model = build_model()
    training = Training(model, task, seed=0)
    for step in training:
        if step.validation:
            loss, held_out = float(step.loss), step.validation["loss"]
            if not math.isfinite(loss):
                raise SystemExit(f"the loss became {loss}: try a smaller learning rate")
            print(f"step {step.step:5d}  loss {loss:.4f}  validation {held_out:.4f}")
    training.restore_best_weights()
    save_weights(model, "chargpt.safetensors")
    result = evaluate(model, task, "test")
    print(f"test loss {result['loss']:.4f}, perplexity {math.exp(result['loss']):.2f}")


if __name__ == "__main__":
    main()
