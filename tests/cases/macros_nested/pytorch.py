"""MacrosNested for PyTorch, compiled from model.neural.

    input (None, 32) -> 3 x Layer -> Feed -> Layer -> Head

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
        context = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)


class Feed(nn.Module):
    """Dense -> Dense."""

    def __init__(self, width: int, units: int, in_features: int):
        super().__init__()
        self.dense_0 = nn.Linear(in_features, units)
        self.dense_1 = nn.Linear(units, width)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.dense_0(x))
        return self.dense_1(x)


class Layer(nn.Module):
    """x + (LayerNormalization -> MultiHeadAttention) -> x +
    (LayerNormalization -> Feed)."""

    def __init__(self, width: int, heads: int, units: int):
        super().__init__()
        self.layer_normalization = nn.LayerNorm(width)
        self.multi_head_attention = MultiHeadAttention(width, num_heads=heads)
        self.layer_normalization_2 = nn.LayerNorm(width)
        self.feed = Feed(width=width, units=units, in_features=width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.multi_head_attention(self.layer_normalization(x))
        return x + self.feed(self.layer_normalization_2(x))


class Head(nn.Module):
    """LayerNormalization -> Output."""

    def __init__(self):
        super().__init__()
        self.layer_normalization = nn.LayerNorm(16)
        self.output = nn.Linear(16, 11)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer_normalization(x)
        return self.output(x)  # (B, T, 11)


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class MacrosNested(nn.Module):
    """Float input (B, T, 32) to logits (B, T, 11)."""

    def __init__(self):
        super().__init__()
        self.layer_layers = nn.ModuleList(
            Layer(width=32, heads=4, units=128) for _ in range(3)
        )
        self.feed = Feed(width=16, units=32, in_features=32)
        self.layer = Layer(width=16, heads=2, units=64)
        self.head = Head()
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layer_layers:
            x = layer(x)
        x = self.feed(x)  # (B, T, 16)
        x = self.layer(x)
        return self.head(x)  # (B, T, 11): logits, softmax makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = MacrosNested().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        probabilities = F.softmax(model(torch.randn(1, 16, 32)), dim=-1)
    print("probabilities:", tuple(probabilities.shape))
