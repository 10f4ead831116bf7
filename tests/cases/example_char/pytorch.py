"""CharGPT for PyTorch, compiled from char.neural.

    input (None) -> Embedding(61) -> PositionalEncoding -> 6 x TransformerDecoder ->
        LayerNormalization -> Output(61)

Run this file to train the model and to test it: python pytorch.py
It reads genesis.txt, relative to the folder that it is run in.
"""

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

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


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.projection = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            each.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for each in (self.query(x), self.key(x), self.value(x))
        )  # (B, H, T, d)
        context = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)


class FeedForward(nn.Module):
    """Two dense layers, applied to each position alone."""

    def __init__(self, d_model: int, ff_dim: int):
        super().__init__()
        self.expand = nn.Linear(d_model, ff_dim)
        self.contract = nn.Linear(ff_dim, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(F.gelu(self.expand(x)))


class PositionalEncoding(nn.Module):
    """Adds a learned vector for each position, starting from N(0, 0.02)."""

    def __init__(self, d_model: int, max_len: int):
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(max_len, d_model))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight[: x.shape[1]]


class TransformerDecoder(nn.Module):
    """Causal attention, then a feed-forward network; each normalises, then adds."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int):
        super().__init__()
        self.self_attention = MultiHeadAttention(d_model, num_heads)
        self.self_attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attention(self.self_attention_norm(x))
        return x + self.feed_forward(self.feed_forward_norm(x))


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, embeddings from N(0, 0.02)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class CharGPT(nn.Module):
    """Token ids (B, T) to logits (B, T, 61)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(61, 128)
        self.positional_encoding = PositionalEncoding(d_model=128, max_len=64)
        self.transformer_decoders = nn.ModuleList(
            TransformerDecoder(d_model=128, num_heads=8, ff_dim=512) for _ in range(6)
        )
        self.layer_normalization = nn.LayerNorm(128)
        self.output = nn.Linear(128, 61)
        self.apply(init_weights)

    def forward(self, tokens_2: Tensor) -> Tensor:
        x = self.embedding(tokens_2)  # (B, T, 128)
        x = self.positional_encoding(x)
        for decoder in self.transformer_decoders:
            x = decoder(x)
        x = self.layer_normalization(x)
        return self.output(x)  # (B, T, 61): logits, softmax makes them probabilities


# --- training


@dataclass
class Step:
    """One optimiser step; the last of each round carries a validation."""

    step: int  # steps done so far
    loss: Tensor  # of this step's batch, before the step
    learning_rate: float
    validation: dict[str, float] | None = None


def learning_rate(step: int) -> float:
    """Linear warm-up, then half a cosine down to 0 at the last step."""
    if step < WARMUP_STEPS:
        return LEARNING_RATE * (step + 1) / WARMUP_STEPS
    progress = (step - WARMUP_STEPS) / (TOTAL_STEPS - WARMUP_STEPS)
    return LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * progress))


def loss_function(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy of the next tokens."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class Training:
    """Trains a model. Iterate it: each turn is one optimiser step."""

    def __init__(self, model: nn.Module, seed: int = 0, device: str = "cpu"):
        torch.manual_seed(seed)
        self.model, self.seed, self.device = model.to(device), seed, device
        matrices = [p for p in model.parameters() if p.dim() > 1]
        vectors = [p for p in model.parameters() if p.dim() < 2]  # biases and norms
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(
            groups, betas=(0.9, 0.99), eps=1e-7, weight_decay=0.1, fused=True
        )
        self.step = 0
        self.best, self.waited, self.stopped = -math.inf, 0, False
        self.best_weights = deepcopy(model.state_dict())

    def __iter__(self) -> Iterator[Step]:
        while self.step < TOTAL_STEPS and not self.stopped:
            rate = learning_rate(self.step)
            result = Step(self.step + 1, self.update(rate), rate)
            self.step += 1
            if self.step % VALIDATE_EVERY == 0 or self.step == TOTAL_STEPS:
                result.validation = evaluate(self.model, "validation")
                self.watch(-result.validation["loss"])
            yield result

    def update(self, rate: float) -> Tensor:
        """One optimiser step; returns the loss before it."""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        arrays = batch(self.seed, self.step)
        x, y = (torch.from_numpy(a).to(self.device) for a in arrays)
        loss = loss_function(self.model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_CLIP)
        self.optimizer.step()
        return loss.detach()

    def watch(self, value: float) -> None:
        """Keep the best weights, and stop when minus the loss stands still."""
        if value > self.best:
            self.best, self.waited = value, 0
            self.best_weights = deepcopy(self.model.state_dict())
        else:
            self.waited += 1
        self.stopped = self.waited >= PATIENCE


@torch.inference_mode()
def evaluate(model: nn.Module, split: str) -> dict[str, float]:
    """Loss over a split."""
    model.eval()
    device = next(model.parameters()).device
    inputs, targets = held_out(split)
    total, counted = 0.0, 0
    for start in range(0, len(targets), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        x, y = (torch.from_numpy(a[part]).to(device) for a in (inputs, targets))
        logits = model(x)
        count = y.numel()
        total += count * loss_function(logits, y).item()
        counted += count
    return {"loss": total / counted}


if __name__ == "__main__":
    torch.manual_seed(0)
    model = CharGPT()
    training = Training(model)
    for step in training:
        if step.validation:
            loss, unseen = float(step.loss), step.validation["loss"]
            if not math.isfinite(loss):
                raise SystemExit(f"the loss became {loss}: try a smaller learning rate")
            print(f"step {step.step:5d}  loss {loss:.4f}  validation {unseen:.4f}")
    model.load_state_dict(training.best_weights)
    save_file(model.state_dict(), "chargpt.safetensors")
    result = evaluate(model, "test")
    loss, perplexity = result["loss"], math.exp(result["loss"])
    print(f"test loss {loss:.4f}, perplexity {perplexity:.2f}")
