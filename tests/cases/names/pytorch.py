"""TransformerEncoderModel for PyTorch, compiled from model.neural.

    x (5, 4), mask (5, 4) -> [x -> Dense(4); mask -> Dense(4)] -> Concatenate ->
        TransformerEncoder -> 2 x nn -> Dense(4) -> x + (Dense(4)) -> Output(2)

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

    def __init__(self, d_model: int, num_heads: int, ff_dim: int):
        super().__init__()
        self.attention = MultiHeadAttention(d_model, num_heads)
        self.attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention_norm(x + self.attention(x))
        return self.feed_forward_norm(x + self.feed_forward(x))


class F2(nn.Module):
    """Dense."""

    def __init__(self, in_features: int):
        super().__init__()
        self.dense = nn.Linear(in_features, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x)


class Nn(nn.Module):
    """Dense -> F2."""

    def __init__(self, units: int, in_features: int):
        super().__init__()
        self.dense = nn.Linear(in_features, units)
        self.f = F2(in_features=units)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dense(x)
        return self.f(x)


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class TransformerEncoderModel(nn.Module):
    """Inputs x (B, 5, 4), mask (B, 5, 4) to logits (B, 5, 2)."""

    def __init__(self):
        super().__init__()
        self.train_2 = nn.Linear(4, 4)
        self.weights = nn.Linear(4, 4)
        self.forward_2 = TransformerEncoder(d_model=8, num_heads=2, ff_dim=8)
        self.nn = Nn(units=4, in_features=8)
        self.nn_2 = Nn(units=8, in_features=4)
        self.residual = nn.Linear(4, 4)
        self.self_ = nn.Linear(4, 4)
        self.output = nn.Linear(4, 2)
        self.apply(init_weights)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.train_2(x)
        mask = self.weights(mask)
        x = torch.cat([x, mask], dim=-1)  # (B, 5, 8)
        x = self.forward_2(x)
        x = self.nn(x)  # (B, 5, 4)
        x = self.nn_2(x)
        x = self.residual(x)
        x = x + self.self_(x)
        return self.output(x)  # (B, 5, 2): logits


if __name__ == "__main__":
    torch.manual_seed(0)
    model = TransformerEncoderModel().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        x = torch.randn(1, 5, 4)
        mask = torch.randn(1, 5, 4)
        logits = model(x, mask)
    print("logits:", tuple(logits.shape))
