"""Odd for PyTorch, compiled from model.neural.

    input (6) -> Embedding(3) -> PositionalEncoding -> TransformerDecoder ->
        Output(3)

Run this file to train the model and to test it: python pytorch.py
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from functools import partial as bound
from typing import Literal

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


LENGTH = 6
powers = bound(np.left_shift, 1)


class Parity(Task):
    """Whether each beginning of a row of bits holds an odd number of ones."""

    max_length = LENGTH

    def __init__(self) -> None:
        self.symbols = ["PAD", "0", "1"]
        order = np.random.default_rng(0).permutation(2**LENGTH)
        parts = np.split(order, [44, 54])
        self.rows = dict(zip(("train", "validation", "test"), parts, strict=True))

    def size(self, split: Split) -> int:
        """The number of rows in a split."""
        return len(self.rows[split])

    def batch(self, split: Split, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bits, and what is odd so far; the first place is given away."""
        bits = self.rows[split][indices][:, None] & powers(np.arange(LENGTH)) > 0
        targets = bits.cumsum(axis=1) % 2 + 1
        targets[:, 0] = IGNORED
        return bits + 1, targets


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
        context = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)

    def split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """Two dense layers, applied to each position alone."""

    def __init__(self, d_model: int, ff_dim: int):
        super().__init__()
        self.expand = nn.Linear(d_model, ff_dim)
        self.contract = nn.Linear(ff_dim, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(F.relu(self.expand(x)))


class PositionalEncoding(nn.Module):
    """Adds a learned vector for each position, starting from N(0, 0.02)."""

    def __init__(self, d_model: int, max_len: int):
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(max_len, d_model))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight[: x.shape[1]]  # (B, T, d_model)


class TransformerDecoder(nn.Module):
    """Causal self-attention, feed-forward; each with a residual."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int):
        super().__init__()
        self.self_attention = MultiHeadAttention(
            d_model, num_heads, key_dim=d_model // num_heads
        )
        self.self_attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.self_attention_norm(x)
        attended = self.self_attention(normed)
        x = x + attended
        expanded = self.feed_forward(self.feed_forward_norm(x))
        return x + expanded


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, embeddings from N(0, 0.02)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class Odd(nn.Module):
    """Token ids (B, 6) to logits (B, 6, 3)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(3, 16)
        self.positional_encoding = PositionalEncoding(d_model=16, max_len=6)
        self.transformer_decoder = TransformerDecoder(
            d_model=16, num_heads=2, ff_dim=16
        )
        self.output = nn.Linear(16, 3)
        self.apply(init_weights)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)  # (B, 6, 16)
        x = self.positional_encoding(x)  # (B, 6, 16)
        x = self.transformer_decoder(x)  # (B, 6, 16)
        return self.output(x)  # (B, 6, 3): logits, softmax makes them probabilities


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
    """The mean cross-entropy of the answer's tokens; other targets are IGNORED."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


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
        loss = loss_function(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), x.numel()

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """The batch of that number, counted over all epochs: inputs and targets."""
        size = self.task.size("train")
        epoch, position = divmod(number, math.ceil(size / BATCH_SIZE))
        order = batch_order(size, self.seed, epoch)
        chosen = order[position * BATCH_SIZE : (position + 1) * BATCH_SIZE]
        x, y = self.task.batch("train", chosen)
        inputs = torch.from_numpy(x).to(self.device)
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
    """Loss and exact match over a split.

    A problem counts when every token of its answer is the most likely one. Given the
    right tokens before, that is when greedy decoding writes the whole answer.
    """
    model.eval()
    device = next(model.parameters()).device
    size, loss = task.size(split), 0.0
    right = 0
    for start in range(0, size, BATCH_SIZE):
        x, y = task.batch(split, np.arange(start, min(start + BATCH_SIZE, size)))
        logits = model(torch.from_numpy(x).to(device))
        targets = torch.from_numpy(y).to(device)
        loss += len(y) * loss_function(logits, targets).item()
        answered = (logits.argmax(-1) == targets) | (targets == IGNORED)
        right += int(answered.all(dim=1).sum())
    return {"loss": loss / size, "exact_match": right / size, "count": size}


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
    task = Parity()
    model = Odd()
    training = Training(model, task, seed=0)
    for step in training:
        if step.validation:
            loss, exact = float(step.loss), step.validation["exact_match"]
            if not math.isfinite(loss):
                raise SystemExit(f"the loss became {loss}: try a smaller learning rate")
            print(f"step {step.step:5d}  loss {loss:.4f}  exact match {exact:.1%}")
    save_weights(model, "odd.safetensors")
    result = evaluate(model, task, "test")
    right, count = round(result["exact_match"] * result["count"]), result["count"]
    print(f"exact match {right}/{count}")


if __name__ == "__main__":
    main()
