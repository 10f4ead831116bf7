"""Translate for PyTorch, compiled from model.neural.

    source (11), target (7) -> [source -> Embedding(40) -> PositionalEncoding -> 2 x
        TransformerEncoder; target -> Embedding(30) -> PositionalEncoding] -> 2 x
        TransformerDecoder -> Output(30)

Run this file for a summary and a forward pass: python pytorch.py
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, causal: bool):
        super().__init__()
        self.num_heads = num_heads
        self.causal = causal
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
        if self.causal:
            size = x.shape[1]
            past = torch.ones(size, size, dtype=torch.bool, device=x.device).tril()
            allowed = allowed & past  # (B, 1, T, T)
        context = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)


class CrossAttention(nn.Module):
    """Scaled dot-product attention to a memory, in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, d_memory: int):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_memory, d_model)
        self.value = nn.Linear(d_memory, d_model)
        self.projection = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (
            each.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for each in (self.query(x), self.key(memory), self.value(memory))
        )  # (B, H, T, d) and twice (B, H, S, d)
        allowed = mask[:, None, None, :]  # (B, 1, 1, S)
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
    """Adds a learned vector for each position, starting from N(0, 0.02)."""

    def __init__(self, d_model: int, max_len: int):
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(max_len, d_model))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight[: x.shape[1]]


class TransformerEncoder(nn.Module):
    """Self-attention, then a feed-forward network; each adds, then normalises."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int):
        super().__init__()
        self.attention = SelfAttention(d_model, num_heads, causal=False)
        self.attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention_norm(x + self.attention(x, mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


class TransformerDecoder(nn.Module):
    """Causal attention, cross-attention, then a feed-forward network; each adds,
    then normalises."""

    def __init__(
        self, d_model: int, num_heads: int, ff_dim: int, dropout: float, d_memory: int
    ):
        super().__init__()
        self.self_attention = SelfAttention(d_model, num_heads, causal=True)
        self.self_attention_norm = nn.LayerNorm(d_model)
        self.cross_attention = CrossAttention(d_model, num_heads, d_memory=d_memory)
        self.cross_attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, memory: Tensor, mask: Tensor, memory_mask: Tensor
    ) -> Tensor:
        x = self.self_attention_norm(x + self.dropout(self.self_attention(x, mask)))
        x = self.cross_attention_norm(
            x + self.dropout(self.cross_attention(x, memory, memory_mask))
        )
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, embeddings from N(0, 0.02)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class Translate(nn.Module):
    """Inputs source (B, 11), target (B, 7) to logits (B, 7, 30)."""

    def __init__(self):
        super().__init__()
        self.embedding_0 = nn.Embedding(40, 16)
        self.positional_encoding_0 = PositionalEncoding(d_model=16, max_len=11)
        self.transformer_encoders = nn.ModuleList(
            TransformerEncoder(d_model=16, num_heads=4, ff_dim=32) for _ in range(2)
        )
        self.embedding_1 = nn.Embedding(30, 24)
        self.positional_encoding_1 = PositionalEncoding(d_model=24, max_len=7)
        self.transformer_decoders = nn.ModuleList(
            TransformerDecoder(
                d_model=24, num_heads=4, ff_dim=32, dropout=0.1, d_memory=16
            )
            for _ in range(2)
        )
        self.output = nn.Linear(24, 30)
        self.apply(init_weights)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        source_mask = source != 0  # (B, T): True where a position is valid
        target_mask = target != 0  # (B, T): True where a position is valid
        source = self.embedding_0(source)  # (B, 11, 16)
        source = self.positional_encoding_0(source)
        for encoder in self.transformer_encoders:
            source = encoder(source, source_mask)
        target = self.embedding_1(target)  # (B, 7, 24)
        target = self.positional_encoding_1(target)
        for decoder in self.transformer_decoders:
            target = decoder(target, source, target_mask, source_mask)
        # (B, 7, 30): logits, softmax makes them probabilities
        return self.output(target)


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Translate().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        source = torch.randint(1, 40, (1, 11))
        target = torch.randint(1, 30, (1, 7))
        probabilities = F.softmax(model(source, target), dim=-1)
    print("probabilities:", tuple(probabilities.shape))
