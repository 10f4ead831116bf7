"""Induction for PyTorch, compiled from induction.neural.

    input (None) -> Embedding(27) -> LayerNormalization -> PositionalEncoding -> 2 x
        x + (LayerNormalization -> MultiHeadAttention(2)) -> LayerNormalization ->
        Output(27)

Run this file for a summary and a forward pass: python pytorch.py
"""

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
        context = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)


class PositionalEncoding(nn.Module):
    """Adds sines and cosines of each position (Vaswani et al., 2017, section 3.5)."""

    def __init__(self, d_model: int, max_len: int):
        super().__init__()
        position = torch.arange(max_len, dtype=torch.float64)[:, None]  # (T, 1)
        feature = torch.arange(0, d_model, 2, dtype=torch.float64)  # (d_model / 2,)
        angle = position / 10000 ** (feature / d_model)  # (T, d_model / 2)
        table = torch.zeros(max_len, d_model)
        table[:, 0::2] = angle.sin()
        table[:, 1::2] = angle.cos()[:, : d_model // 2]
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table[: x.shape[1]]


class ResidualBlock(nn.Module):
    """x + (LayerNormalization -> MultiHeadAttention)."""

    def __init__(self):
        super().__init__()
        self.layer_normalization = nn.LayerNorm(128)
        self.multi_head_attention = MultiHeadAttention(128, num_heads=2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.multi_head_attention(self.layer_normalization(x))


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, embeddings from N(0, 0.02)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class Induction(nn.Module):
    """Token ids (B, T) to logits (B, T, 27)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(27, 128)
        self.layer_normalization_0 = nn.LayerNorm(128)
        self.positional_encoding = PositionalEncoding(d_model=128, max_len=31)
        self.residual_blocks = nn.ModuleList(ResidualBlock() for _ in range(2))
        self.layer_normalization_3 = nn.LayerNorm(128)
        self.output = nn.Linear(128, 27)
        self.apply(init_weights)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)  # (B, T, 128)
        x = self.layer_normalization_0(x)
        x = self.positional_encoding(x)
        for block in self.residual_blocks:
            x = block(x)
        x = self.layer_normalization_3(x)
        return self.output(x)  # (B, T, 27): logits, softmax makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Induction().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        probabilities = F.softmax(model(torch.randint(1, 27, (1, 16))), dim=-1)
    print("probabilities:", tuple(probabilities.shape))
