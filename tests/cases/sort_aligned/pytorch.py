"""Ordered for PyTorch, compiled from model.neural.

    input (None) -> Embedding(7) -> PositionalEncoding -> TransformerEncoder ->
        Output(7)

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

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (
            each.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for each in (self.query(x), self.key(x), self.value(x))
        )  # (B, H, T, d)
        allowed = mask[:, None, None, :]  # (B, 1, 1, T)
        context = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)


class FeedForward(nn.Module):
    """Two dense layers, applied to each position alone."""

    def __init__(self, d_model: int, ff_dim: int):
        super().__init__()
        self.expand = nn.Linear(d_model, ff_dim)
        self.contract = nn.Linear(ff_dim, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(F.relu(self.expand(x)))


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


class TransformerEncoder(nn.Module):
    """Self-attention, then a feed-forward network; each adds, then normalises."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int):
        super().__init__()
        self.attention = MultiHeadAttention(d_model, num_heads)
        self.attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention_norm(x + self.attention(x, mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, embeddings from N(0, 0.02)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class Ordered(nn.Module):
    """Token ids (B, T) to logits (B, T, 7)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 16)
        self.positional_encoding = PositionalEncoding(d_model=16, max_len=4)
        self.transformer_encoder = TransformerEncoder(
            d_model=16, num_heads=2, ff_dim=16
        )
        self.output = nn.Linear(16, 7)
        self.apply(init_weights)

    def forward(self, tokens: Tensor) -> Tensor:
        mask = tokens != 0  # (B, T): True where a position is valid
        x = self.embedding(tokens)  # (B, T, 16)
        x = self.positional_encoding(x)
        x = self.transformer_encoder(x, mask)
        return self.output(x)  # (B, T, 7): logits, softmax makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Ordered().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        probabilities = F.softmax(model(torch.randint(1, 7, (1, 4))), dim=-1)
    print("probabilities:", tuple(probabilities.shape))
