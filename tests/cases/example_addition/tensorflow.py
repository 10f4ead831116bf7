"""Addition for TensorFlow (Keras 3), compiled from addition.neural.

    input (None) -> Embedding(13) -> PositionalEncoding -> 2 x TransformerDecoder ->
        LayerNormalization -> Output(13)

Run this file to train the model and to test it: python tensorflow.py
"""

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

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


ENUMERABLE = 4_000_000  # spaces up to this size are shuffled as a whole


def draw_distinct(
    radices: Sequence[int], count: int, rng: np.random.Generator
) -> np.ndarray:
    """Distinct random rows (count, len(radices)), with 0 <= row[i] < radices[i].

    Fewer come back where fewer exist; of a large space at most three quarters.
    """
    total = math.prod(radices)
    if total <= ENUMERABLE:
        order = rng.permutation(total)[:count]
        return np.stack(np.unravel_index(order, radices), axis=1)
    count = min(count, total * 3 // 4)
    rows = np.empty((0, len(radices)), dtype=np.int64)
    while len(rows) < count:
        more = rng.integers(0, radices, size=(count, len(radices)))
        rows = np.concatenate([rows, more])
        first = np.unique(rows, axis=0, return_index=True)[1]
        rows = rows[np.sort(first)]  # without the repeats, in the order of drawing
    return rows[:count]


def share_out(size: int, capacities: Sequence[int]) -> list[int]:
    """Equal shares of `size`; what one capacity cannot take goes to the next ones."""
    shares = []
    for number, capacity in enumerate(capacities):
        shares.append(min(capacity, math.ceil(size / (len(capacities) - number))))
        size -= shares[-1]
    return shares


def deal(
    spaces: Sequence[Sequence[int]], sizes: dict[Split, int], data_seed: int
) -> dict[Split, np.ndarray]:
    """Deal the problems of some spaces out to splits that share none.

    A space is a tuple of radices: how many choices there are at each place. A problem is
    a row of choices, filled up with -1. Problems are split before they are sampled:
    validation and test take at most a quarter of each space, and train repeats problems
    of the rest as often as it must.
    """
    totals = [math.prod(space) for space in spaces]
    quarters = [total // 4 for total in totals]
    held_out: tuple[Split, ...] = ("test", "validation")
    for split in held_out:
        if sizes[split] > sum(quarters):
            raise ValueError(
                f"{sizes[split]:,} {split} problems were asked for, and "
                f"{sum(quarters):,} can be had: a quarter of the {sum(totals):,} "
                f"that exist"
            )
    shares = {split: share_out(sizes[split], quarters) for split in held_out}
    shares["train"] = share_out(sizes["train"], [sizes["train"]] * len(spaces))
    dealt: dict[Split, list[np.ndarray]] = {"test": [], "validation": [], "train": []}
    for number, space in enumerate(spaces):
        n_test, n_validation, n_train = (shares[split][number] for split in dealt)
        rng = np.random.default_rng((data_seed, number))
        rows = draw_distinct(space, n_test + n_validation + n_train, rng)
        missing = max(map(len, spaces)) - len(space)
        rows = np.pad(rows, [(0, 0), (0, missing)], constant_values=-1)
        test, validation, rest = np.split(rows, [n_test, n_test + n_validation])
        dealt["test"].append(test)
        dealt["validation"].append(validation)
        dealt["train"].append(np.resize(rest, (n_train, rows.shape[1])))
    rng = np.random.default_rng(data_seed)
    joined = {split: np.concatenate(parts) for split, parts in dealt.items()}
    return {split: rows[rng.permutation(len(rows))] for split, rows in joined.items()}


class ProblemTask(Task):
    """A task with one right answer to each problem; `problems` holds the splits' rows."""

    def __init__(
        self,
        spaces: Sequence[Sequence[int]],
        train_size: int = 20_000,
        validation_size: int = 2_000,
        test_size: int = 1_000,
        data_seed: int = 0,
    ):
        sizes: dict[Split, int] = {
            "train": train_size,
            "validation": validation_size,
            "test": test_size,
        }
        self.problems = deal(spaces, sizes, data_seed)

    def write(self, problems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ids of prompts (B, P) and answers (B, A), with PAD in any free place."""
        raise NotImplementedError

    def size(self, split: Split) -> int:
        """The number of problems in a split."""
        return len(self.problems[split])

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (B, T) and targets (B, T): the answer alone is to be learnt."""
        prompts, answers = self.write(self.problems[split][indices])
        targets = np.where(answers == PAD, IGNORED, answers)
        if not self.causal:
            return prompts, targets
        tokens = np.concatenate([prompts, answers], axis=1)
        targets = np.concatenate([np.full_like(prompts, IGNORED), targets], axis=1)
        order = np.argsort(tokens == PAD, axis=1, kind="stable")  # padding goes last
        tokens = np.take_along_axis(tokens, order, axis=1)
        targets = np.take_along_axis(targets, order, axis=1)
        return tokens[:, :-1], targets[:, 1:]  # each position predicts the next symbol


class Arithmetic(ProblemTask):
    """Sums and differences of two numbers from 1 to `max_number`.

    The model reads `07+85=` and writes `092`: leading zeros keep every place at its
    position, and sums have one place more, for the last carry. Where differences are
    asked for, the answer begins with its sign: `07-85=` gives `-078`. With
    `reverse_digits` the digits come in the order in which one works them out by hand,
    the units first: `290` and `-870`.
    """

    def __init__(
        self,
        operations: Sequence[str] = ("add", "subtract"),
        max_number: int = 99,
        reverse_digits: bool = False,
        **sizes: int,
    ):
        self.operations = tuple(operations)
        self.max_number = max_number
        self.reverse_digits = reverse_digits
        self.width = len(str(max_number))
        self.places = self.width + ("add" in operations)  # of an answer
        self.signed = "subtract" in operations
        self.symbols = ["PAD", *"0123456789", "=", "+"] + ["-"] * self.signed
        self.signs = [{"add": "+", "subtract": "-"}[name] for name in operations]
        self.max_length = 2 * self.width + 1 + self.signed + self.places
        super().__init__([(len(operations), max_number, max_number)], **sizes)

    def read(self, problems: np.ndarray) -> tuple[np.ndarray, ...]:
        """The operation, both numbers and the right result of each problem: (B,) each."""
        operation, a, b = problems[:, 0], problems[:, 1] + 1, problems[:, 2] + 1
        adds = np.array([sign == "+" for sign in self.signs])[operation]
        return operation, a, b, np.where(adds, a + b, a - b)

    def digits(self, numbers: np.ndarray, width: int) -> np.ndarray:
        """The ids of the digits of numbers (B,), the highest place first: (B, width)."""
        return numbers[:, None] // 10 ** np.arange(width)[::-1] % 10 + 1

    def write(self, problems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ids of prompts (B, 2 width + 2) and of answers."""
        operation, a, b, result = self.read(problems)
        plus, equals = self.symbols.index("+"), self.symbols.index("=")
        signs = np.array([self.symbols.index(sign) for sign in self.signs])[operation]
        a, b = self.digits(a, self.width), self.digits(b, self.width)
        ends = np.full((len(problems), 1), equals)
        prompts = np.concatenate([a, signs[:, None], b, ends], axis=1)
        answers = self.digits(abs(result), self.places)
        answers = answers[:, ::-1] if self.reverse_digits else answers
        if self.signed:  # "-" comes right after "+"
            answers = np.column_stack([plus + (result < 0), answers])
        return prompts, answers

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """`12+34=` and `46`."""
        row = self.problems[split][index : index + 1]
        operation, a, b, result = (column.item() for column in self.read(row))
        return f"{a}{self.signs[operation]}{b}=", str(result)

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of `12+34=`; the `=` may be left out. Raises ValueError."""
        for symbol in prompt:
            if symbol not in self.symbols and not symbol.isspace():
                known = " ".join(self.symbols[1:])
                raise ValueError(f"unknown symbol {symbol!r}; the symbols are {known}")
        found = re.fullmatch(r"\s*0*(\d+)\s*([+-])\s*0*(\d+)\s*=?\s*", prompt)
        if found is None or found[2] not in self.signs:
            example = f"12{self.signs[0]}34="
            raise ValueError(f"{prompt!r} is not a problem such as {example}")
        a, sign, b = found.groups()
        for number in (a, b):
            if len(number) > self.width or int(number) > self.max_number:
                raise ValueError(f"{number} is above this task's {self.max_number}")
        text = a.zfill(self.width) + sign + b.zfill(self.width) + "="
        return np.array([self.symbols.index(symbol) for symbol in text])

    def decode(self, ids: Sequence[int]) -> str:
        """The number that answer ids spell, or the symbols themselves if they do not."""
        text = "".join(self.symbols[id] for id in ids)
        sign, digits = (text[:1], text[1:]) if self.signed else ("+", text)
        digits = digits[::-1] if self.reverse_digits else digits
        if sign not in ("+", "-") or not digits.isdigit():
            return text
        return sign.strip("+") + str(int(digits))

    def answer_length(self, prompt: str) -> int:
        """A sign where differences are asked for, and every place."""
        return self.signed + self.places

    def attention_for(self, prompt: str) -> list[tuple[int, tuple[int, ...]]]:
        """A digit of the answer follows from both digits of the same place."""
        first = 2 * self.width + 1 + self.signed  # predicts the answer's first digit
        known = []
        for place in range(self.width):  # 0: the units
            step = place if self.reverse_digits else self.places - 1 - place
            keys = (self.width - 1 - place, 2 * self.width - place)
            known.append((first + step, keys))
        return sorted(known)


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
            LEARNING_RATE, beta_1=0.9, beta_2=0.98, epsilon=1e-7, weight_decay=0.01
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
        """Stop when the exact match stands still."""
        value = validation["exact_match"]
        if value > self.best:
            self.best, self.waited = value, 0
            self.best_weights = self.model.get_weights()
        else:
            self.waited += 1
        self.stopped = value >= 1.0 or self.waited >= PATIENCE

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
    """Loss and exact match over a split.

    A problem counts when every token of its answer is the most likely one. Given the
    right tokens before, that is when greedy decoding writes the whole answer.
    """
    size, loss = task.size(split), 0.0
    right = 0
    for start in range(0, size, BATCH_SIZE):
        x, y = task.batch(split, np.arange(start, min(start + BATCH_SIZE, size)))
        logits = model.predict_on_batch(x)
        loss += len(y) * float(loss_function(tf.convert_to_tensor(logits), y))
        answered = (logits.argmax(-1) == y) | (y == IGNORED)
        right += int(answered.all(axis=1).sum())
    return {"loss": loss / size, "exact_match": right / size, "count": size}


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
    task = Arithmetic(operations=("add",), max_number=99)
    model = build_model()
    training = Training(model, task, seed=0)
    for step in training:
        if step.validation:
            loss, exact = float(step.loss), step.validation["exact_match"]
            if not math.isfinite(loss):
                raise SystemExit(f"the loss became {loss}: try a smaller learning rate")
            print(f"step {step.step:5d}  loss {loss:.4f}  exact match {exact:.1%}")
    training.restore_best_weights()
    save_weights(model, "addition.safetensors")
    result = evaluate(model, task, "test")
    right, count = round(result["exact_match"] * result["count"]), result["count"]
    print(f"exact match {right}/{count}")


if __name__ == "__main__":
    main()
