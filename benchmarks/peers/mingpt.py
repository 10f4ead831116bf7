"""minGPT's way to write and to train a GPT, for comparison.

Written after the structure of Andrej Karpathy's minGPT (MIT licence,
https://github.com/karpathy/minGPT: mingpt/model.py and mingpt/trainer.py), anew and
without what a training without dropout does not run: one Linear for queries, keys and
values, attention spelt out with a masked softmax, GELU by its tanh formula, AdamW with
weight decay on the matrices alone, and a loop over a DataLoader with a callback a step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader


class NewGELU(nn.Module):
    """GELU by the tanh formula that GPT-2 has."""

    def forward(self, x: Tensor) -> Tensor:
        inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))
        return 0.5 * x * (1.0 + torch.tanh(inner))


class CausalSelfAttention(nn.Module):
    """Attention whose weights are computed and masked in the open."""

    def __init__(self, width: int, heads: int, block_size: int):
        super().__init__()
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        past = torch.tril(torch.ones(block_size, block_size))
        self.register_buffer("bias", past.view(1, 1, block_size, block_size))
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.size()
        q, k, v = (
            part.view(B, T, self.heads, C // self.heads).transpose(1, 2)
            for part in self.c_attn(x).split(C, dim=2)
        )
        attention = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        attention = attention.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))
        y = F.softmax(attention, dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class Block(nn.Module):
    """Attention and a feed-forward part, each after a norm and with a residual."""

    def __init__(self, width: int, heads: int, block_size: int):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = CausalSelfAttention(width, heads, block_size)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), NewGELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """Token ids and targets to logits and the loss."""

    def __init__(self, vocabulary: int, layers: int, heads: int, width: int, T: int):
        super().__init__()
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(T, width)
        self.h = nn.ModuleList(Block(width, heads, T) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, idx: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        position = torch.arange(0, idx.size(1), device=idx.device).unsqueeze(0)
        x = self.wte(idx) + self.wpe(position)
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        flat = logits.view(-1, logits.size(-1))
        return logits, F.cross_entropy(flat, targets.reshape(-1), ignore_index=-100)

    def configure_optimizers(
        self, rate: float, betas: tuple[float, float], epsilon: float, decay: float
    ) -> torch.optim.Optimizer:
        """AdamW that shrinks the weights of Linear layers and nothing else."""
        matrices = [m.weight for m in self.modules() if isinstance(m, nn.Linear)]
        ids = {id(each) for each in matrices}
        others = [each for each in self.parameters() if id(each) not in ids]
        groups = [
            {"params": matrices, "weight_decay": decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=rate, betas=betas, eps=epsilon)


class Trainer:
    """minGPT's loop; it yields the loss where the original calls its callbacks."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loader: DataLoader,
        clip: float,
        device: str,
    ):
        self.model, self.optimizer = model.to(device), optimizer
        self.loader, self.clip, self.device = loader, clip, device

    def run(self) -> Iterator[Tensor]:
        """Train for as long as the loader has batches."""
        self.model.train()
        for batch in self.loader:
            x, y = (part.to(self.device) for part in batch)
            _, loss = self.model(x, y)
            self.model.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            self.optimizer.step()
            yield loss.detach()
