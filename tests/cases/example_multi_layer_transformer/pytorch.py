"""MultiLayerTransformer for PyTorch, compiled from multi_layer_transformer.neural.

    input (128, 512) -> 3 x TransformerEncoder -> GlobalAveragePooling1D ->
        Dense(256) -> Dropout(0.3) -> Output(20)

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


class MultiLayerTransformer(nn.Module):
    """Float input (B, 128, 512) to logits (B, 20)."""

    def __init__(self):
        super().__init__()
        self.transformer_encoders = nn.ModuleList(
            TransformerEncoder(d_model=512, num_heads=8, ff_dim=2048, dropout=0.1)
            for _ in range(3)
        )
        self.dense = nn.Linear(512, 256)
        self.dropout = nn.Dropout(0.3)
        self.output = nn.Linear(256, 20)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        for encoder in self.transformer_encoders:
            x = encoder(x)
        x = x.mean(dim=1)  # (B, 512)
        x = F.relu(self.dense(x))  # (B, 256)
        x = self.dropout(x)
        return self.output(x)  # (B, 20): logits, softmax makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = MultiLayerTransformer().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        probabilities = F.softmax(model(torch.randn(1, 128, 512)), dim=-1)
    print("probabilities:", probabilities.squeeze(0).tolist())
