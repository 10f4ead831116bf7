"""Decide for PyTorch, compiled from model.neural.

    words (5), numbers (3) -> [words -> Embedding(9) -> MultiHeadAttention(2) ->
        Flatten; numbers -> Dense(4)] -> Concatenate -> Output(1)

Run this file to train the model and to test it: python pytorch.py
It reads train.npz, relative to the folder that it is run in.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

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


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, key_dim: int):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(d_model, num_heads * key_dim)
        self.key = nn.Linear(d_model, num_heads * key_dim)
        self.value = nn.Linear(d_model, num_heads * key_dim)
        self.projection = nn.Linear(num_heads * key_dim, d_model)

    def forward(self, x: Tensor) -> Tensor:
        q = self.split_heads(self.query(x))  # (B, H, T, d)
        k = self.split_heads(self.key(x))  # (B, H, T, d)
        v = self.split_heads(self.value(x))  # (B, H, T, d)
        context = F.scaled_dot_product_attention(q, k, v)
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)

    def split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, embeddings from N(0, 0.02)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class Decide(nn.Module):
    """Inputs words (B, 5), numbers (B, 3) to logits (B, 1)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 8)
        self.multi_head_attention = MultiHeadAttention(8, num_heads=2, key_dim=4)
        self.dense = nn.Linear(3, 4)
        self.output = nn.Linear(44, 1)
        self.apply(init_weights)

    def forward(self, words: Tensor, numbers: Tensor) -> Tensor:
        words = self.embedding(words)  # (B, 5, 8)
        words = self.multi_head_attention(words)  # (B, 5, 8)
        words = words.flatten(1)  # (B, 40)
        numbers = F.relu(self.dense(numbers))  # (B, 4)
        x = torch.cat([words, numbers], dim=-1)  # (B, 44)
        return self.output(x)  # (B, 1): logits, a sigmoid makes them probabilities


@dataclass
class Step:
    """One optimiser step; the last of each round carries a validation."""

    step: int  # steps done so far
    loss: Tensor  # of this step's batch, before the step
    learning_rate: float
    tokens: int  # that this step read
    validation: dict[str, float] | None = None


def learning_rate(step: int) -> float:
    """Linear warm-up, then half a cosine down to 0 at the last step."""
    if step < WARMUP_STEPS:
        return LEARNING_RATE * (step + 1) / WARMUP_STEPS
    progress = min((step - WARMUP_STEPS) / max(TOTAL_STEPS - WARMUP_STEPS, 1), 1.0)
    return LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * progress))


def loss_function(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean binary cross-entropy of 0/1 targets."""
    targets = targets.to(logits.dtype).view_as(logits)
    return F.binary_cross_entropy_with_logits(logits, targets)


class ConvolvedLinear(nn.Linear):
    """nn.Linear as a convolution of width 1: same weights, same result up to rounding."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 3 or x.shape[0] * x.shape[1] < 1024:  # too small to gain
            return super().forward(x)
        image = x.mT.unsqueeze(2)  # (B, C, 1, T), channels last: it is read in place
        return F.conv2d(image, self.weight[:, :, None, None], self.bias).squeeze(2).mT


def multiply_by_convolving(model: nn.Module) -> None:
    """Speed up the products on AMD processors with AVX-512, up to two times.

    There MKL, which multiplies matrices, makes do with AVX2; oneDNN, which convolves,
    uses AVX-512.
    """
    known = getattr(torch.cpu, "get_capabilities", dict)()  # older ones do not tell
    if "AMD" in known.get("cpu_name", "") and known.get("avx512_f"):
        for layer in model.modules():
            if type(layer) is nn.Linear:
                layer.__class__ = ConvolvedLinear


@lru_cache(maxsize=1)
def batch_order(size: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the examples in an epoch, kept until the next epoch begins."""
    return np.random.default_rng((seed, epoch)).permutation(size)


class Training:
    """Trains a model on a task. Iterate it: each turn is one optimiser step.

    The order of the batches is a pure function of the seed and the epoch, so `state`
    and `load_state` carry a training over to another process bit for bit.
    """

    def __init__(
        self, model: nn.Module, task: Task, seed: int = 0, device: str = "cpu"
    ):
        torch.manual_seed(seed)
        self.model = model.to(device)
        if device == "cpu":
            multiply_by_convolving(model)
        self.task = task
        self.seed = seed
        self.device = device
        self.optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=LEARNING_RATE,
            betas=(0.9, 0.98),
            eps=1e-7,
            weight_decay=0.01,
            fused=True,
        )
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

    def update(self, rate: float) -> tuple[Tensor, int]:
        """One optimiser step; returns the loss before it and the tokens read."""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        x, y = self.batch(self.step)
        loss = loss_function(self.model(*x), y)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), len(y)

    def batch(self, number: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """The batch of that number, counted over all epochs: inputs and targets."""
        size = self.task.size("train")
        epoch, position = divmod(number, math.ceil(size / BATCH_SIZE))
        order = batch_order(size, self.seed, epoch)
        chosen = order[position * BATCH_SIZE : (position + 1) * BATCH_SIZE]
        x, y = self.task.batch("train", chosen)
        inputs = tuple(torch.from_numpy(part).to(self.device) for part in x)
        return inputs, torch.from_numpy(y).to(self.device)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next steps depend on, as arrays."""
        found = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for number, slots in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer.{number}.{k}": v for k, v in slots.items()}
        found["rng.torch"] = torch.get_rng_state()
        if self.device != "cpu":
            found["rng.cuda"] = torch.cuda.get_rng_state(self.device)
        arrays = {k: torch.as_tensor(v).cpu().numpy().copy() for k, v in found.items()}
        progress = {"step": self.step}
        return arrays | {f"progress.{k}": np.array(v) for k, v in progress.items()}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on where `state` was taken."""
        tensors = {k: torch.from_numpy(np.array(v)) for k, v in state.items()}
        model = {
            k.removeprefix("model."): v for k, v in tensors.items() if k[:6] == "model."
        }
        self.model.load_state_dict(model)
        slots: dict[int, dict[str, Tensor]] = {}
        for key in (key for key in tensors if key.startswith("optimizer.")):
            _, number, name = key.split(".", 2)
            slots.setdefault(int(number), {})[name] = tensors[key]
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        torch.set_rng_state(tensors["rng.torch"])
        if self.device != "cpu":
            torch.cuda.set_rng_state(tensors["rng.cuda"], self.device)
        self.step = int(state["progress.step"])


@torch.inference_mode()
def evaluate(model: nn.Module, task: Task, split: str) -> dict[str, float]:
    """Loss and accuracy over a split."""
    model.eval()
    device = next(model.parameters()).device
    size, loss = task.size(split), 0.0
    right = 0
    for start in range(0, size, BATCH_SIZE):
        x, y = task.batch(split, np.arange(start, min(start + BATCH_SIZE, size)))
        logits = model(*(torch.from_numpy(part).to(device) for part in x))
        targets = torch.from_numpy(y).to(device)
        loss += len(y) * loss_function(logits, targets).item()
        right += int(
            ((logits > 0) == targets.view_as(logits)).flatten(1).all(dim=1).sum()
        )
    return {"loss": loss / size, "accuracy": right / size, "count": size}


def save_weights(model: nn.Module, path: str) -> None:
    """Writes the weights under the names that `neural visualize --weights` reads."""
    weights = {name: value.cpu().contiguous() for name, value in named_weights(model)}
    save_file(weights, path)


def named_weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every weight under its layer's name."""
    yield from model.state_dict().items()


def main() -> None:
    """Trains, prints how it goes, and tests on problems never seen."""
    torch.manual_seed(0)
    task = Arrays(
        path="train.npz", data_seed=1, inputs=("words", "numbers"), ids=("words",)
    )
    model = Decide()
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
