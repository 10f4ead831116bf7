"""TextClassification for PyTorch, compiled from text_classification.neural.

    input (200) -> Embedding(10000) -> PositionalEncoding -> 2 x TransformerEncoder
        -> GlobalAveragePooling1D -> Dropout(0.2) -> Dense(64) -> Output(3)

Run this file for a summary and a forward pass: python pytorch.py
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean over the valid positions: x (B, T, d), mask (B, T) to (B, d)."""
    valid = mask[:, :, None].to(x.dtype)  # (B, T, 1)
    return (x * valid).sum(dim=1) / valid.sum(dim=1).clamp(min=1)


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

    def __init__(self, d_model: int, num_heads: int, ff_dim: int, dropout: float):
        super().__init__()
        self.attention = MultiHeadAttention(d_model, num_heads)
        self.attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention_norm(x + self.dropout(self.attention(x, mask)))
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, embeddings from N(0, 0.02)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class TextClassification(nn.Module):
    """Token ids (B, 200) to logits (B, 3)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10000, 128)
        self.positional_encoding = PositionalEncoding(d_model=128, max_len=200)
        self.transformer_encoders = nn.ModuleList(
            TransformerEncoder(d_model=128, num_heads=4, ff_dim=256, dropout=0.1)
            for _ in range(2)
        )
        self.dropout = nn.Dropout(0.2)
        self.dense = nn.Linear(128, 64)
        self.output = nn.Linear(64, 3)
        self.apply(init_weights)

    def forward(self, tokens: Tensor) -> Tensor:
        mask = tokens != 0  # (B, T): True where a position is valid
        x = self.embedding(tokens)  # (B, 200, 128)
        x = self.positional_encoding(x)
        for encoder in self.transformer_encoders:
            x = encoder(x, mask)
        x = masked_mean(x, mask)  # (B, 128)
        x = self.dropout(x)
        x = F.relu(self.dense(x))  # (B, 64)
        return self.output(x)  # (B, 3): logits, softmax makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = TextClassification().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        probabilities = F.softmax(model(torch.randint(1, 10000, (1, 200))), dim=-1)
    print("probabilities:", probabilities.squeeze(0).tolist())
