"""BasicTransformer for PyTorch, compiled from basic_transformer.neural.

    input (50, 256) -> TransformerEncoder -> GlobalAveragePooling1D -> Dense(64) ->
        Output(5)

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


class FeedForward(nn.Module):
    """Two dense layers, applied to each position alone."""

    def __init__(self, d_model: int, ff_dim: int):
        super().__init__()
        self.expand = nn.Linear(d_model, ff_dim)
        self.contract = nn.Linear(ff_dim, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(F.relu(self.expand(x)))


class TransformerEncoder(nn.Module):
    """Self-attention, then a feed-forward network; each adds, then normalises."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int, dropout: float):
        super().__init__()
        self.attention = MultiHeadAttention(d_model, num_heads)
        self.attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention_norm(x + self.dropout(self.attention(x)))
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class BasicTransformer(nn.Module):
    """Float input (B, 50, 256) to logits (B, 5)."""

    def __init__(self):
        super().__init__()
        self.transformer_encoder = TransformerEncoder(
            d_model=256, num_heads=4, ff_dim=512, dropout=0.1
        )
        self.dense = nn.Linear(256, 64)
        self.output = nn.Linear(64, 5)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        x = self.transformer_encoder(x)
        x = x.mean(dim=1)  # (B, 256)
        x = F.relu(self.dense(x))  # (B, 64)
        return self.output(x)  # (B, 5): logits, softmax makes them probabilities


def fit(model: nn.Module, batches: Collection) -> Iterator[float]:
    """Trains for 10 epochs on batches (x, y) of 32; yields the loss of each."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7, fused=True)
    for _ in range(10):
        for x, y in batches:
            loss = F.cross_entropy(model.train()(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            yield loss.item()


if __name__ == "__main__":
    torch.manual_seed(0)
    model = BasicTransformer().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        probabilities = F.softmax(model(torch.randn(1, 50, 256)), dim=-1)
    print("probabilities:", probabilities.squeeze(0).tolist())
