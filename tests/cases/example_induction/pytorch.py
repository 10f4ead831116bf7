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
        return x + self.table[: x.shape[1]]  # (B, T, d_model)


class ResidualBlock(nn.Module):
    """x + (LayerNormalization -> MultiHeadAttention)."""

    def __init__(self):
        super().__init__()
        self.layer_normalization = nn.LayerNorm(128)
        self.multi_head_attention = MultiHeadAttention(128, num_heads=2, key_dim=64)

    def forward(self, x: Tensor) -> Tensor:
        residual = x
        x = self.layer_normalization(x)  # (B, T, 128)
        x = self.multi_head_attention(x)  # (B, T, 128)
        return residual + x  # (B, T, 128)


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
        x = self.layer_normalization_0(x)  # (B, T, 128)
        x = self.positional_encoding(x)  # (B, T, 128)
        for block in self.residual_blocks:
            x = block(x)  # (B, T, 128)
        x = self.layer_normalization_3(x)  # (B, T, 128)
        return self.output(x)  # (B, T, 27): logits, softmax makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Induction().eval()
    parameters = sum(p.numel() for p in model.parameters())
    print(model)
    print(f"{parameters:,} parameters")
    with torch.inference_mode():
        tokens = torch.randint(1, 27, (1, 16))
        logits = model(tokens)
        probabilities = F.softmax(logits, dim=-1)
    print("probabilities:", tuple(probabilities.shape))
