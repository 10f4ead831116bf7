"""CopyModel for TensorFlow (Keras 3), compiled from copy.neural.

    input (None) -> Embedding(22) -> PositionalEncoding -> 2 x TransformerDecoder ->
        LayerNormalization -> Output(22)

Run this file to train the model and to test it: python tensorflow.py
"""

import math
import os
import string
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

BATCH_SIZE = 256  # problems a step
TOTAL_STEPS = 400
VALIDATE_EVERY = 25  # steps
LEARNING_RATE = 0.002
WARMUP_STEPS = 50
GRADIENT_CLIP = 1.0  # largest norm of all gradients
PATIENCE = 8  # validations without improvement


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


def padding_last(x: np.ndarray) -> np.ndarray:
    """Rows of ids (B, T) with their padding moved to the end."""
    return np.take_along_axis(x, np.argsort(x == PAD, axis=1, kind="stable"), axis=1)


class SequenceTask(ProblemTask):
    """A sequence is read, and another one, made from it, is written.

    `length` is one number, or the shortest and the longest; `vocabulary` is how many
    symbols there are; `unique` sequences repeat none. With the layout "sequence" the
    model reads `dabc:` and goes on with the answer, one symbol after another; with
    "aligned" it reads `dabc` and answers at the same positions, all at once. `framing`
    puts START and END around both sequences; START then takes the place of the colon.
    """

    answer_factor = 1  # an answer's length, in lengths of its source
    separator = ":"

    def __init__(
        self,
        length: int | tuple[int, int] = 8,
        vocabulary: int = 20,
        unique: bool = False,
        framing: bool = False,
        layout: Literal["sequence", "aligned"] = "sequence",
        **sizes: int,
    ):
        shortest, self.longest = length if isinstance(length, tuple) else (length,) * 2
        if unique and self.longest > vocabulary:
            raise ValueError(
                f"unique sequences of {self.longest} need as many symbols, "
                f"and the vocabulary has {vocabulary}"
            )
        self.unique, self.framing = unique, framing
        self.causal = layout == "sequence"
        self.words = list(string.ascii_lowercase[:vocabulary])
        if vocabulary > len(self.words):
            self.words = [str(number + 1) for number in range(vocabulary)]
        self.space = " " if vocabulary > 26 else ""  # between the words of a text
        self.symbols = ["PAD", *self.words]
        if framing:
            self.symbols += ["START", "END"]
        elif self.causal and self.separator:
            self.symbols += [self.separator]
        self.max_length = self.input_length(self.longest)
        choices = [vocabulary - place * unique for place in range(self.longest)]
        spaces = [choices[:n] for n in range(shortest, self.longest + 1)]
        super().__init__(spaces, **sizes)

    def input_length(self, n: int) -> int:
        """The length of the model's input for a source of n symbols."""
        source = n + 2 * self.framing
        return source + self.answer_factor * n + self.framing if self.causal else source

    def answer(self, x: np.ndarray) -> np.ndarray:
        """The answers (B, A) to sources x (B, n), with PAD in any free place."""
        raise NotImplementedError

    def origins(self, x: list[int], k: int) -> tuple[int, ...]:
        """The places of the source x that symbol k of its answer may be taken from."""
        raise NotImplementedError

    def spell(self, problems: np.ndarray) -> np.ndarray:
        """The sources of problems: ids (B, n), padded at the end."""
        x = problems.copy()
        if self.unique:  # choice i means the i-th symbol not used yet (Lehmer code)
            for place in reversed(range(x.shape[1] - 1)):
                x[:, place + 1 :] += x[:, place + 1 :] >= x[:, [place]]
        return np.where(problems < 0, PAD, x + 1)

    def frame(self, x: np.ndarray) -> np.ndarray:
        """START before each row and END after it."""
        start, end = self.symbols.index("START"), self.symbols.index("END")
        return np.pad(x, [(0, 0), (1, 1)], constant_values=((0, 0), (start, end)))

    def write(self, problems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ids of prompts and answers, in the task's layout."""
        return self.arrange(self.spell(problems))

    def arrange(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Prompts and answers for sources x (B, n)."""
        y = self.answer(x)
        if self.framing:
            x, y = self.frame(x), self.frame(y)
        if not self.causal:
            return padding_last(x), padding_last(y)
        if self.framing:
            return np.concatenate([x, y[:, :1]], axis=1), y[:, 1:]
        separator = np.full((len(x), 1), self.symbols.index(self.separator))
        return np.concatenate([x, separator], axis=1), y

    def problem(self, split: Split, index: int) -> tuple[str, str]:
        """`dabc:` and `abcd`."""
        x = self.spell(self.problems[split][index : index + 1])
        y = self.answer(x)
        return self.decode(x[x != PAD]) + self.separator, self.decode(y[y != PAD])

    def ids(self, text: str) -> list[int]:
        """The ids of the words of a text. Raises ValueError."""
        words = text.split() if self.space else [*"".join(text.split())]
        for word in words:
            if word not in self.words:
                known = f"{self.words[0]} to {self.words[-1]}"
                raise ValueError(f"unknown symbol {word!r}; the symbols are {known}")
        return [self.symbols.index(word) for word in words]

    def source(self, prompt: str) -> np.ndarray:
        """The source (1, n) in a prompt such as `dabc:`. Raises ValueError."""
        x = self.ids(prompt.strip().removesuffix(self.separator))
        if not 1 <= len(x) <= self.longest:
            raise ValueError(
                f"{prompt!r} has {len(x)} symbols; this task takes 1 to {self.longest}"
            )
        return np.array([x])

    def encode(self, prompt: str) -> np.ndarray:
        """The ids of a prompt such as `dabc:`, as the model reads it. Raises ValueError."""
        return self.arrange(self.source(prompt))[0].flatten()

    def decode(self, ids: Sequence[int]) -> str:
        """The words of an answer up to its END, without START and final padding."""
        symbols = [self.symbols[id] for id in ids]
        if "END" in symbols:
            symbols = symbols[: symbols.index("END")]
        while symbols and symbols[-1] == "PAD":
            symbols.pop()
        return self.space.join(symbols[symbols[:1] == ["START"] :])

    def answer_length(self, prompt: str) -> int:
        """As the source's length demands, and END."""
        return self.arrange(self.source(prompt))[1].size

    def is_end(self, id: int) -> bool:
        """Whether this is END."""
        return self.symbols[id] == "END"

    def attention_for(self, prompt: str) -> list[tuple[int, tuple[int, ...]]]:
        """Each symbol of the answer is taken from its origins in the source."""
        x = self.source(prompt)[0].tolist()
        first = len(self.encode(prompt)) - 1 if self.causal else int(self.framing)
        known = []
        for k in range(self.answer_factor * len(x)):
            keys = tuple(place + self.framing for place in self.origins(x, k))
            known.append((first + k, keys))
        return known


class Copy(SequenceTask):
    """`dabc:dabc`: the answer is the source."""

    def answer(self, x: np.ndarray) -> np.ndarray:
        """x itself."""
        return x

    def origins(self, x: list[int], k: int) -> tuple[int, ...]:
        """Symbol k is symbol k of the source."""
        return (k,)


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
    """Token ids (B, T) to logits (B, T, 22)."""
    tokens = keras.Input((None,), dtype="int64", name="input")
    x = layers.Embedding(
        22, 128, keras.initializers.RandomNormal(stddev=0.02), name="embedding"
    )(tokens)  # (B, T, 128)
    x = PositionalEncoding(d_model=128, max_len=16, name="positional_encoding")(x)
    for i in range(2):
        x = TransformerDecoder(
            d_model=128, num_heads=4, ff_dim=512, name=f"transformer_decoder_{i}"
        )(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="layer_normalization")(x)
    logits = layers.Dense(22, name="output")(x)  # (B, T, 22)
    return keras.Model(tokens, logits, name="CopyModel")


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
    task = Copy(train_size=100000)
    model = build_model()
    training = Training(model, task, seed=0)
    for step in training:
        if step.validation:
            loss, exact = float(step.loss), step.validation["exact_match"]
            if not math.isfinite(loss):
                raise SystemExit(f"the loss became {loss}: try a smaller learning rate")
            print(f"step {step.step:5d}  loss {loss:.4f}  exact match {exact:.1%}")
    training.restore_best_weights()
    save_weights(model, "copy.safetensors")
    result = evaluate(model, task, "test")
    right, count = round(result["exact_match"] * result["count"]), result["count"]
    print(f"exact match {right}/{count}")


if __name__ == "__main__":
    main()
