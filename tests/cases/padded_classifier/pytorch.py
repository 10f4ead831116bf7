"""PaddedClassifier for PyTorch, compiled from model.neural.

    input (None) -> Embedding(50) -> PositionalEncoding -> 3 x TransformerEncoder ->
        Conv1D(16) -> GlobalMaxPooling1D -> Output(3)

Run this file for a summary and a forward pass: python pytorch.py
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def masked_max(x: Tensor, mask: Tensor) -> Tensor:
    """The maximum over the valid positions, 0 without any: (B, T, d) to (B, d)."""
    valid = mask[:, :, None]  # (B, T, 1)
    largest = x.masked_fill(~valid, float("-inf")).amax(dim=1)
    return largest.masked_fill(~valid.any(dim=1), 0.0)


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, use_bias: bool, causal: bool):
        super().__init__()
        self.num_heads = num_heads
        self.causal = causal
        self.query = nn.Linear(d_model, d_model, bias=use_bias)
        self.key = nn.Linear(d_model, d_model, bias=use_bias)
        self.value = nn.Linear(d_model, d_model, bias=use_bias)
        self.projection = nn.Linear(d_model, d_model, bias=use_bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (
            each.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for each in (self.query(x), self.key(x), self.value(x))
        )  # (B, H, T, d)
        allowed = mask[:, None, None, :]  # (B, 1, 1, T)
        if self.causal:
            size = x.shape[1]
            past = torch.ones(size, size, dtype=torch.bool, device=x.device).tril()
            allowed = allowed & past  # (B, 1, T, T)
        context = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)


class FeedForward(nn.Module):
    """Two dense layers, applied to each position alone."""

    def __init__(
        self, d_model: int, ff_dim: int, activation: Callable[[Tensor], Tensor]
    ):
        super().__init__()
        self.expand = nn.Linear(d_model, ff_dim)
        self.contract = nn.Linear(ff_dim, d_model)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(self.activation(self.expand(x)))


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


class PreNormTransformerEncoder(nn.Module):
    """Self-attention, then a feed-forward network; each normalises, then adds."""

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        activation: Callable[[Tensor], Tensor],
    ):
        super().__init__()
        self.attention = MultiHeadAttention(
            d_model, num_heads, use_bias=True, causal=False
        )
        self.attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim, activation)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), mask)
        return x + self.feed_forward(self.feed_forward_norm(x))


class PostNormTransformerEncoder(nn.Module):
    """Causal attention, then a feed-forward network; each adds, then normalises."""

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        activation: Callable[[Tensor], Tensor],
    ):
        super().__init__()
        self.attention = MultiHeadAttention(
            d_model, num_heads, use_bias=False, causal=True
        )
        self.attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim, activation)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention_norm(x + self.attention(x, mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, embeddings from N(0, 0.02)."""
    if isinstance(module, nn.Linear | nn.Conv1d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class PaddedClassifier(nn.Module):
    """Token ids (B, T) to logits (B, 3)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.positional_encoding = PositionalEncoding(d_model=16, max_len=64)
        self.transformer_encoders = nn.ModuleList(
            PreNormTransformerEncoder(
                d_model=16, num_heads=4, ff_dim=32, activation=F.gelu
            )
            for _ in range(2)
        )
        self.transformer_encoder_2 = PostNormTransformerEncoder(
            d_model=16, num_heads=2, ff_dim=32, activation=F.relu
        )
        self.conv1d = nn.Conv1d(16, 16, 3, padding="same")
        self.output = nn.Linear(16, 3)
        self.apply(init_weights)

    def forward(self, tokens: Tensor) -> Tensor:
        mask = tokens != 0  # (B, T): True where a position is valid
        x = self.embedding(tokens)  # (B, T, 16)
        x = self.positional_encoding(x)
        for encoder in self.transformer_encoders:
            x = encoder(x, mask)
        x = self.transformer_encoder_2(x, mask)
        x = x.transpose(1, 2)  # (B, 16, T)
        x = F.relu(self.conv1d(x))
        x = x.transpose(1, 2)  # (B, T, 16)
        x = masked_max(x, mask)  # (B, 16)
        return self.output(x)  # (B, 3): logits, softmax makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = PaddedClassifier().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        probabilities = F.softmax(model(torch.randint(1, 50, (1, 16))), dim=-1)
    print("probabilities:", probabilities.squeeze(0).tolist())
