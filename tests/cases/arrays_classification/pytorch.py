"""Classify for PyTorch, compiled from model.neural.

    input (4, 6) -> TransformerEncoder -> GlobalAveragePooling1D -> Output(3)

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
        context = F.scaled_dot_product_attention(q, k, v)
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


class TransformerEncoder(nn.Module):
    """Self-attention, then a feed-forward network; each added to its input, normalised."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int):
        super().__init__()
        self.attention = MultiHeadAttention(
            d_model, num_heads, key_dim=d_model // num_heads
        )
        self.attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        attended = self.attention(x)
        x = self.attention_norm(x + attended)
        expanded = self.feed_forward(x)
        return self.feed_forward_norm(x + expanded)


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class Classify(nn.Module):
    """Float input (B, 4, 6) to logits (B, 3)."""

    def __init__(self):
        super().__init__()
        self.transformer_encoder = TransformerEncoder(d_model=6, num_heads=2, ff_dim=8)
        self.output = nn.Linear(6, 3)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        x = self.transformer_encoder(x)  # (B, 4, 6)
        x = x.mean(dim=1)  # (B, 6)
        return self.output(x)  # (B, 3): logits, softmax makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Classify().eval()
    parameters = sum(p.numel() for p in model.parameters())
    print(model)
    print(f"{parameters:,} parameters")
    with torch.inference_mode():
        x = torch.randn(1, 4, 6)
        logits = model(x)
        probabilities = F.softmax(logits, dim=-1)
    print("probabilities:", probabilities.squeeze(0).tolist())
