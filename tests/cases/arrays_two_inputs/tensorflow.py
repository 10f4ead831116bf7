"""Decide for TensorFlow (Keras 3), compiled from model.neural.

    words (5), numbers (3) -> [words -> Embedding(9) -> MultiHeadAttention(2) ->
        Flatten; numbers -> Dense(4)] -> Concatenate -> Output(1)

Run this file to train the model and to test it: python tensorflow.py
It reads train.npz, relative to the folder that it is run in.
"""

import hashlib
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from safetensors.numpy import save_file

BATCH_SIZE = 8  # problems a step
TOTAL_STEPS = 4
VALIDATE_EVERY = 2  # steps
LEARNING_RATE = 0.002
WARMUP_STEPS = 50


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


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file by name. Raises OSError, and ValueError if it is none."""
    with Path(path).open("rb") as file:
        if file.read(2) != b"PK":
            raise ValueError(f"{path} is not a .npz file: write it with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # damaged files make NumPy raise nearly anything
        if "pickle" in str(error):
            error = ValueError("it holds Python objects, which could run any code")
        raise ValueError(f"{path} cannot be read: {error}") from error


def convert(name: str, array: np.ndarray, whole: bool) -> np.ndarray:
    """The array as int64 (`whole` numbers) or as float32. Raises ValueError."""
    if array.dtype.kind not in ("biu" if whole else "biuf"):
        wanted = "whole numbers" if whole else "numbers"
        raise ValueError(f"`{name}` must hold {wanted}, not {array.dtype} values")
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"`{name}` holds no examples: its shape is {array.shape}")
    if not np.isfinite(array).all():
        place = tuple(int(axis[0]) for axis in np.nonzero(~np.isfinite(array)))
        raise ValueError(f"`{name}` holds {array[place]} at {place}")
    return array.astype(np.int64 if whole else np.float32)


class Arrays(Task):
    """Examples x and their targets y, from the .npz file at `path`.

    Whole numbers in y are labels, other numbers are values to come close to. Several
    `inputs` have arrays of their own names; those in `ids` hold token ids. Where the
    file has no `x_validation` and `y_validation`, or no `x_test` and `y_test`, a tenth
    of the examples is held out; examples with equal inputs stay together.
    """

    causal = False

    def __init__(
        self,
        path: str,
        inputs: Sequence[str] = ("x",),
        ids: Sequence[str] = (),
        data_seed: int = 0,
    ):
        self.path, self.inputs, self.ids = path, tuple(inputs), tuple(ids)
        arrays = read_arrays(path)
        self.examples: dict[Split, dict[str, np.ndarray]] = {}
        self.examples["train"] = self.read(arrays, "")
        missing: list[Split] = []
        held_out: tuple[Split, ...] = ("validation", "test")
        for split in held_out:
            if any(f"{name}_{split}" in arrays for name in (*self.inputs, "y")):
                self.examples[split] = self.read(arrays, f"_{split}")
            else:
                missing.append(split)
        self.hold_out(missing, np.random.default_rng(data_seed))
        train = self.examples["train"]
        self.measure = "accuracy" if train["y"].dtype == np.int64 else "loss"
        self.max_length = max((train[name].shape[1] for name in self.ids), default=0)
        self.symbols = []  # ids come as they are; nothing here knows their meaning

    def read(self, arrays: dict[str, np.ndarray], suffix: str) -> dict[str, np.ndarray]:
        """The inputs and the y of one split. Raises ValueError."""
        found = {}
        for name in (*self.inputs, "y"):
            full = name + suffix
            if full not in arrays:
                held = ", ".join(f"`{each}`" for each in arrays) or "nothing"
                raise ValueError(f"{self.path} has no `{full}`; it holds {held}")
            array = arrays[full]
            whole = array.dtype.kind in "biu" if name == "y" else name in self.ids
            array = found[name] = convert(full, array, whole)
            if name in self.ids and array.ndim != 2:
                shape = f"(examples, length), not {array.shape}"
                raise ValueError(f"`{full}` holds token ids: its shape must be {shape}")
            if name == "y" and whole and array.ndim == 2 and array.shape[1] == 1:
                found["y"] = array[:, 0]  # labels in a column
            known = self.examples.get("train", found)[name]
            if found[name].shape[1:] != known.shape[1:] or array.dtype != known.dtype:
                raise ValueError(
                    f"`{full}` {array.shape} {array.dtype} does not match "
                    f"`{name}` {known.shape} {known.dtype}"
                )
        if len({len(array) for array in found.values()}) > 1:
            sizes = ", ".join(f"`{n}{suffix}` {len(a):,}" for n, a in found.items())
            raise ValueError(f"the arrays differ in their number of examples: {sizes}")
        return found

    def hold_out(self, splits: Sequence[Split], rng: np.random.Generator) -> None:
        """Move a tenth of the examples to each of these splits. Raises ValueError."""
        train = self.examples["train"]
        numbers: dict[bytes, int] = {}  # of distinct inputs
        group = np.empty(len(train["y"]), dtype=np.int64)
        for i in range(len(group)):
            example = b"".join(train[name][i].tobytes() for name in self.inputs)
            group[i] = numbers.setdefault(
                hashlib.sha256(example).digest(), len(numbers)
            )
        if len(numbers) <= len(splits):
            plural = "s" * (len(numbers) != 1)
            raise ValueError(
                f"{self.path} has {len(numbers)} different example{plural}: too few to "
                f"hold some out for {' and '.join(splits)}"
            )
        order = rng.permutation(len(numbers))
        tenth = max(1, len(numbers) // 10)
        for split in splits:
            chosen = np.isin(group, order[:tenth])
            self.examples[split] = {name: a[chosen] for name, a in train.items()}
            order = order[tenth:]
        kept = np.isin(group, order)
        self.examples["train"] = {name: a[kept] for name, a in train.items()}

    def size(self, split: Split) -> int:
        """The number of examples in a split."""
        return len(self.examples[split]["y"])

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets of some examples; several inputs come as a tuple."""
        arrays = self.examples[split]
        x: Any = tuple(arrays[name][indices] for name in self.inputs)
        return x[0] if len(x) == 1 else x, arrays["y"][indices]


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


def build_model() -> keras.Model:
    """Inputs words (B, 5), numbers (B, 3) to logits (B, 1)."""
    words = keras.Input((5,), dtype="int64", name="words")
    numbers = keras.Input((3,), name="numbers")
    inputs = [words, numbers]
    words = layers.Embedding(
        9, 8, keras.initializers.RandomNormal(stddev=0.02), name="embedding"
    )(words)  # (B, 5, 8)
    words = MultiHeadAttention(8, num_heads=2, key_dim=4, name="multi_head_attention")(
        words
    )  # (B, 5, 8)
    words = layers.Flatten(name="flatten")(words)  # (B, 40)
    numbers = layers.Dense(4, activation="relu", name="dense")(numbers)  # (B, 4)
    x = layers.Concatenate(name="concatenate")([words, numbers])  # (B, 44)
    # (B, 1): logits, a sigmoid makes them probabilities
    logits = layers.Dense(1, name="output")(x)
    return keras.Model(inputs, logits, name="Decide")


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
    """The mean binary cross-entropy of 0/1 targets."""
    targets = ops.reshape(ops.cast(targets, logits.dtype), ops.shape(logits))
    losses = keras.losses.binary_crossentropy(targets, logits, from_logits=True)
    return ops.mean(losses)


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

    def __iter__(self) -> Iterator[Step]:
        while self.step < TOTAL_STEPS:
            rate = learning_rate(self.step)
            loss, tokens = self.update(rate)
            self.step += 1
            result = Step(self.step, loss, rate, tokens)
            if self.step % VALIDATE_EVERY == 0 or self.step == TOTAL_STEPS:
                result.validation = evaluate(self.model, self.task, "validation")
            yield result

    def update(self, rate: float) -> tuple[tf.Tensor, int]:
        """One optimiser step; returns the loss before it and the tokens read."""
        self.optimizer.learning_rate.assign(rate)
        x, y = self.batch(self.step)
        return self.learn(x, y), len(y)

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
        self.optimizer.apply(gradients)

    def batch(self, number: int) -> tuple[tf.Tensor, tf.Tensor]:
        """The batch of that number, counted over all epochs: inputs and targets."""
        size = self.task.size("train")
        epoch, position = divmod(number, math.ceil(size / BATCH_SIZE))
        order = batch_order(size, self.seed, epoch)
        chosen = order[position * BATCH_SIZE : (position + 1) * BATCH_SIZE]
        x, y = self.task.batch("train", chosen)
        return [tf.convert_to_tensor(part) for part in x], tf.convert_to_tensor(y)

    def variables(self) -> dict[str, keras.Variable]:
        """Everything that training changes: weights, moments and random states."""
        found = {f"model.{i}": v for i, v in enumerate(self.model.variables)}
        found |= {f"optimizer.{i}": v for i, v in enumerate(self.optimizer.variables)}
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next steps depend on, as arrays."""
        arrays = {k: np.array(v.numpy()) for k, v in self.variables().items()}
        progress = {"step": self.step}
        return arrays | {f"progress.{k}": np.array(v) for k, v in progress.items()}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on where `state` was taken."""
        for name, variable in self.variables().items():
            variable.assign(state[name])
        self.step = int(state["progress.step"])


def evaluate(model: keras.Model, task: Task, split: str) -> dict[str, float]:
    """Loss and accuracy over a split."""
    size, loss = task.size(split), 0.0
    right = 0
    for start in range(0, size, BATCH_SIZE):
        x, y = task.batch(split, np.arange(start, min(start + BATCH_SIZE, size)))
        logits = model.predict_on_batch(list(x))
        loss += len(y) * float(loss_function(tf.convert_to_tensor(logits), y))
        hits = ((logits > 0) == y.reshape(logits.shape)).reshape(len(y), -1)
        right += int(hits.all(axis=1).sum())
    return {"loss": loss / size, "accuracy": right / size, "count": size}


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
    task = Arrays(
        path="train.npz", data_seed=1, inputs=("words", "numbers"), ids=("words",)
    )
    model = build_model()
    training = Training(model, task, seed=0)
    for step in training:
        if step.validation:
            loss, accuracy = float(step.loss), step.validation["accuracy"]
            if not math.isfinite(loss):
                raise SystemExit(f"the loss became {loss}: try a smaller learning rate")
            print(f"step {step.step:5d}  loss {loss:.4f}  accuracy {accuracy:.1%}")
    save_weights(model, "decide.safetensors")
    result = evaluate(model, task, "test")
    right, count = round(result["accuracy"] * result["count"]), result["count"]
    print(f"accuracy {right}/{count}")


if __name__ == "__main__":
    main()
