"""EncoderDecoder for PyTorch, compiled from encoder_decoder.neural.

    source (12), target (10) -> [source -> Embedding(1000) -> PositionalEncoding ->
        2 x TransformerEncoder; target -> Embedding(1200) -> PositionalEncoding] ->
        2 x TransformerDecoder -> Output(1200)

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

    def __init__(self, d_model: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
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

    def __init__(self, d_model: int, num_heads: int, ff_dim: int):
        super().__init__()
        self.self_attention = SelfAttention(d_model, num_heads, causal=True)
        self.self_attention_norm = nn.LayerNorm(d_model)
        self.cross_attention = CrossAttention(d_model, num_heads)
        self.cross_attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(
        self, x: Tensor, memory: Tensor, mask: Tensor, memory_mask: Tensor
    ) -> Tensor:
        x = self.self_attention_norm(x + self.self_attention(x, mask))
        x = self.cross_attention_norm(x + self.cross_attention(x, memory, memory_mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, embeddings from N(0, 0.02)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class EncoderDecoder(nn.Module):
    """Inputs source (B, 12), target (B, 10) to logits (B, 10, 1200)."""

    def __init__(self):
        super().__init__()
        self.embedding_0 = nn.Embedding(1000, 64)
        self.positional_encoding_0 = PositionalEncoding(d_model=64, max_len=12)
        self.transformer_encoders = nn.ModuleList(
            TransformerEncoder(d_model=64, num_heads=4, ff_dim=128) for _ in range(2)
        )
        self.embedding_1 = nn.Embedding(1200, 64)
        self.positional_encoding_1 = PositionalEncoding(d_model=64, max_len=10)
        self.transformer_decoders = nn.ModuleList(
            TransformerDecoder(d_model=64, num_heads=4, ff_dim=128) for _ in range(2)
        )
        self.output = nn.Linear(64, 1200)
        self.apply(init_weights)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        source_mask = source != 0  # (B, T): True where a position is valid
        target_mask = target != 0  # (B, T): True where a position is valid
        source = self.embedding_0(source)  # (B, 12, 64)
        source = self.positional_encoding_0(source)
        for encoder in self.transformer_encoders:
            source = encoder(source, source_mask)
        target = self.embedding_1(target)  # (B, 10, 64)
        target = self.positional_encoding_1(target)
        for decoder in self.transformer_decoders:
            target = decoder(target, source, target_mask, source_mask)
        # (B, 10, 1200): logits, softmax makes them probabilities
        return self.output(target)


if __name__ == "__main__":
    torch.manual_seed(0)
    model = EncoderDecoder().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        source = torch.randint(1, 1000, (1, 12))
        target = torch.randint(1, 1200, (1, 10))
        probabilities = F.softmax(model(source, target), dim=-1)
    print("probabilities:", tuple(probabilities.shape))
