"""Translator for PyTorch, by hand: what the runtime needs of an emitted file.

source ids -> Embedding -> TransformerEncoder; target ids -> Embedding ->
TransformerDecoder -> Conv1D -> Output
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model: int, num_heads: int, key_dim: int):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(d_model, num_heads * key_dim)
        self.key = nn.Linear(d_model, num_heads * key_dim)
        self.value = nn.Linear(d_model, num_heads * key_dim)
        self.projection = nn.Linear(num_heads * key_dim, d_model)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for part in (self.query(x), self.key(memory), self.value(memory))
        )
        context = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.projection(context.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, d_model: int, ff_dim: int):
        super().__init__()
        self.expand = nn.Linear(d_model, ff_dim)
        self.contract = nn.Linear(ff_dim, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(F.relu(self.expand(x)))


class TransformerEncoder(nn.Module):
    def __init__(self, d_model: int, num_heads: int, ff_dim: int):
        super().__init__()
        self.attention = MultiHeadAttention(d_model, num_heads, d_model // num_heads)
        self.attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention_norm(x + self.attention(x, x, mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


class TransformerDecoder(nn.Module):
    def __init__(self, d_model: int, num_heads: int, ff_dim: int):
        super().__init__()
        key_dim = d_model // num_heads
        self.self_attention = MultiHeadAttention(d_model, num_heads, key_dim)
        self.self_attention_norm = nn.LayerNorm(d_model)
        self.cross_attention = MultiHeadAttention(d_model, num_heads, key_dim)
        self.cross_attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(
        self, x: Tensor, memory: Tensor, mask: Tensor, memory_mask: Tensor
    ) -> Tensor:
        causal = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        x = self.self_attention_norm(x + self.self_attention(x, x, mask & causal))
        x = self.cross_attention_norm(x + self.cross_attention(x, memory, memory_mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding_0 = nn.Embedding(11, 8)
        self.blocks = nn.ModuleList(TransformerEncoder(8, 2, 16) for _ in range(2))
        self.embedding_1 = nn.Embedding(11, 8)
        self.transformer_decoder = TransformerDecoder(8, 2, 16)
        self.conv1d = nn.Conv1d(8, 6, 3, padding=1)
        self.batch_normalization = nn.BatchNorm1d(6)
        self.output = nn.Linear(6, 5)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        source_mask = (source != 0)[:, None, None, :]
        target_mask = (target != 0)[:, None, None, :]
        memory = self.embedding_0(source)
        for block in self.blocks:
            memory = block(memory, source_mask)
        x = self.embedding_1(target)
        x = self.transformer_decoder(x, memory, target_mask, source_mask)
        x = self.batch_normalization(self.conv1d(x.transpose(1, 2)))
        return self.output(x.transpose(1, 2))
