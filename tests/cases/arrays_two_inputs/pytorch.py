"""Decide for PyTorch, compiled from model.neural.

    words (5), numbers (3) -> [words -> Embedding(9) -> MultiHeadAttention(2) ->
        Flatten; numbers -> Dense(4)] -> Concatenate -> Output(1)

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


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, embeddings from N(0, 0.02)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class Decide(nn.Module):
    """Inputs words (B, 5), numbers (B, 3) to logits (B, 1)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 8)
        self.multi_head_attention = MultiHeadAttention(8, num_heads=2)
        self.dense = nn.Linear(3, 4)
        self.output = nn.Linear(44, 1)
        self.apply(init_weights)

    def forward(self, words: Tensor, numbers: Tensor) -> Tensor:
        words = self.embedding(words)  # (B, 5, 8)
        words = self.multi_head_attention(words)
        words = words.flatten(1)  # (B, 40)
        numbers = F.relu(self.dense(numbers))  # (B, 4)
        x = torch.cat([words, numbers], dim=-1)  # (B, 44)
        return self.output(x)  # (B, 1): logits, a sigmoid makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Decide().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        words = torch.randint(1, 9, (1, 5))
        numbers = torch.randn(1, 3)
        probabilities = torch.sigmoid(model(words, numbers))
    print("probabilities:", probabilities.squeeze(0).tolist())
