"""MacroBlocks for PyTorch, compiled from macro_blocks.neural.

    input (32, 64) -> 3 x Block -> LayerNormalization -> GlobalAveragePooling1D ->
        Output(10)

Run this file for a summary and a forward pass: python pytorch.py
"""

from collections.abc import Collection, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
        context = F.scaled_dot_product_attention(q, k, v)
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)


class Block(nn.Module):
    """x + (LayerNormalization -> MultiHeadAttention) -> x +
    (LayerNormalization -> Dense -> Dense)."""

    def __init__(self, width: int, heads: int, units: int):
        super().__init__()
        self.layer_normalization = nn.LayerNorm(64)
        self.multi_head_attention = MultiHeadAttention(64, num_heads=heads)
        self.layer_normalization_2 = nn.LayerNorm(64)
        self.dense_0 = nn.Linear(64, units)
        self.dense_1 = nn.Linear(units, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.multi_head_attention(self.layer_normalization(x))
        return x + self.dense_1(F.gelu(self.dense_0(self.layer_normalization_2(x))))


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class MacroBlocks(nn.Module):
    """Float input (B, 32, 64) to logits (B, 10)."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(width=64, heads=4, units=256) for _ in range(2)
        )
        self.block = Block(width=64, heads=8, units=128)
        self.layer_normalization_6 = nn.LayerNorm(64)
        self.output = nn.Linear(64, 10)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        x = self.block(x)
        x = self.layer_normalization_6(x)
        x = x.mean(dim=1)  # (B, 64)
        return self.output(x)  # (B, 10): logits, softmax makes them probabilities


def fit(model: nn.Module, batches: Collection) -> Iterator[float]:
    """Trains for 1 epoch on batches (x, y); yields the loss of each."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7, fused=True)
    for x, y in batches:
        loss = F.cross_entropy(model.train()(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        yield loss.item()


if __name__ == "__main__":
    torch.manual_seed(0)
    model = MacroBlocks().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        probabilities = F.softmax(model(torch.randn(1, 32, 64)), dim=-1)
    print("probabilities:", probabilities.squeeze(0).tolist())
