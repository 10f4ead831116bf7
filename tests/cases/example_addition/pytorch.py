"""Addition for PyTorch, compiled from addition.neural.

    input (None) -> Embedding(13) -> PositionalEncoding -> 2 x TransformerDecoder ->
        LayerNormalization -> Output(13)

Run this file to train the model and to test it: python pytorch.py
"""

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

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


class Addition(nn.Module):
    """Token ids (B, T) to logits (B, T, 13)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(13, 128)
        self.positional_encoding = PositionalEncoding(d_model=128, max_len=8)
        self.transformer_decoders = nn.ModuleList(
            TransformerDecoder(d_model=128, num_heads=4, ff_dim=512) for _ in range(2)
        )
        self.layer_normalization = nn.LayerNorm(128)
        self.output = nn.Linear(128, 13)
        self.apply(init_weights)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)  # (B, T, 128)
        x = self.positional_encoding(x)
        for decoder in self.transformer_decoders:
            x = decoder(x)
        x = self.layer_normalization(x)
        return self.output(x)  # (B, T, 13): logits, softmax makes them probabilities


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
    """The mean cross-entropy of the targets that are not IGNORED."""
    return F.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED
    )


class Training:
    """Trains a model. Iterate it: each turn is one optimiser step."""

    def __init__(self, model: nn.Module, seed: int = 0, device: str = "cpu"):
        torch.manual_seed(seed)
        self.model, self.seed, self.device = model.to(device), seed, device
        matrices = [p for p in model.parameters() if p.dim() > 1]
        vectors = [p for p in model.parameters() if p.dim() < 2]  # biases and norms
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(
            groups, betas=(0.9, 0.98), eps=1e-7, fused=True
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
                self.watch(result.validation["exact_match"])
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
        """Keep the best weights, and stop when the exact match stands still."""
        if value > self.best:
            self.best, self.waited = value, 0
            self.best_weights = deepcopy(self.model.state_dict())
        else:
            self.waited += 1
        self.stopped = value >= 1.0 or self.waited >= PATIENCE


@torch.inference_mode()
def evaluate(model: nn.Module, split: str) -> dict[str, float]:
    """Loss and exact match over a split. An answer is right as a whole."""
    model.eval()
    device = next(model.parameters()).device
    inputs, targets = held_out(split)
    total, counted, right = 0.0, 0, 0
    for start in range(0, len(targets), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        x, y = (torch.from_numpy(a[part]).to(device) for a in (inputs, targets))
        logits = model(x)
        count = int((y != IGNORED).sum())
        total += count * loss_function(logits, y).item()
        counted += count
        right += int(((logits.argmax(-1) == y) | (y == IGNORED)).all(dim=1).sum())
    return {"loss": total / counted, "exact_match": right / len(targets)}


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Addition()
    training = Training(model)
    for step in training:
        if step.validation:
            loss, exact = float(step.loss), step.validation["exact_match"]
            if not math.isfinite(loss):
                raise SystemExit(f"the loss became {loss}: try a smaller learning rate")
            print(f"step {step.step:5d}  loss {loss:.4f}  exact match {exact:.1%}")
    model.load_state_dict(training.best_weights)
    save_file(model.state_dict(), "addition.safetensors")
    print(f"test exact match {evaluate(model, 'test')['exact_match']:.1%}")
