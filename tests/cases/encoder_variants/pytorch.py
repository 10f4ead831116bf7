"""EncoderVariants for PyTorch, compiled from model.neural.

    input (12, 24) -> 4 x TransformerEncoder -> TransformerDecoder ->
        GlobalAveragePooling1D -> Output(1)

Run this file for a summary and a forward pass: python pytorch.py
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, key_dim: int, causal: bool):
        super().__init__()
        self.num_heads = num_heads
        self.causal = causal
        self.query = nn.Linear(d_model, num_heads * key_dim)
        self.key = nn.Linear(d_model, num_heads * key_dim)
        self.value = nn.Linear(d_model, num_heads * key_dim)
        self.projection = nn.Linear(num_heads * key_dim, d_model)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            each.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for each in (self.query(x), self.key(x), self.value(x))
        )  # (B, H, T, d)
        context = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
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


class PostNormTransformerEncoder(nn.Module):
    """Self-attention, then a feed-forward network; each adds, then normalises."""

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        activation: Callable[[Tensor], Tensor],
        causal: bool,
        epsilon: float,
    ):
        super().__init__()
        self.attention = MultiHeadAttention(
            d_model, num_heads, key_dim=d_model // num_heads, causal=causal
        )
        self.attention_norm = nn.LayerNorm(d_model, eps=epsilon)
        self.feed_forward = FeedForward(d_model, ff_dim, activation)
        self.feed_forward_norm = nn.LayerNorm(d_model, eps=epsilon)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention_norm(x + self.attention(x))
        return self.feed_forward_norm(x + self.feed_forward(x))


class PreNormTransformerEncoder(nn.Module):
    """Self-attention, then a feed-forward network; each normalises, then adds."""

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        dropout: float,
        activation: Callable[[Tensor], Tensor],
    ):
        super().__init__()
        self.attention = MultiHeadAttention(
            d_model, num_heads, key_dim=d_model // num_heads, causal=False
        )
        self.attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim, activation)
        self.feed_forward_norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


class NoNormTransformerEncoder(nn.Module):
    """Self-attention, then a feed-forward network; each adds to its input."""

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        key_dim: int,
        activation: Callable[[Tensor], Tensor],
    ):
        super().__init__()
        self.attention = MultiHeadAttention(
            d_model, num_heads, key_dim=key_dim, causal=False
        )
        self.feed_forward = FeedForward(d_model, ff_dim, activation)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.feed_forward(x)


class TransformerDecoder(nn.Module):
    """Causal attention, then a feed-forward network; each adds, then normalises."""

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        activation: Callable[[Tensor], Tensor],
    ):
        super().__init__()
        self.self_attention = MultiHeadAttention(
            d_model, num_heads, key_dim=d_model // num_heads, causal=True
        )
        self.self_attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim, activation)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        x = self.self_attention_norm(x + self.self_attention(x))
        return self.feed_forward_norm(x + self.feed_forward(x))


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class EncoderVariants(nn.Module):
    """Float input (B, 12, 24) to logits (B, 1)."""

    def __init__(self):
        super().__init__()
        self.transformer_encoder_0 = PostNormTransformerEncoder(
            d_model=24,
            num_heads=2,
            ff_dim=32,
            activation=F.relu,
            causal=False,
            epsilon=1e-5,
        )
        self.transformer_encoder_1 = PreNormTransformerEncoder(
            d_model=24, num_heads=3, ff_dim=16, dropout=0.1, activation=F.gelu
        )
        self.transformer_encoder_2 = NoNormTransformerEncoder(
            d_model=24, num_heads=4, ff_dim=16, key_dim=5, activation=F.relu
        )
        self.transformer_encoder_3 = PostNormTransformerEncoder(
            d_model=24,
            num_heads=4,
            ff_dim=16,
            activation=lambda x: F.leaky_relu(x, negative_slope=0.2),
            causal=True,
            epsilon=0.01,
        )
        self.transformer_decoder = TransformerDecoder(
            d_model=24, num_heads=2, ff_dim=8, activation=F.relu
        )
        self.output = nn.Linear(24, 1)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        x = self.transformer_encoder_0(x)
        x = self.transformer_encoder_1(x)
        x = self.transformer_encoder_2(x)
        x = self.transformer_encoder_3(x)
        x = self.transformer_decoder(x)
        x = x.mean(dim=1)  # (B, 24)
        return self.output(x)  # (B, 1): logits


if __name__ == "__main__":
    torch.manual_seed(0)
    model = EncoderVariants().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        logits = model(torch.randn(1, 12, 24))
    print("logits:", logits.squeeze(0).tolist())
