"""KnownAttention for PyTorch, compiled from known_attention.neural.

    input (None) -> Embedding(8) -> PositionalEncoding -> x +
        (MultiHeadAttention(6)) -> x + (MultiHeadAttention(1)) -> Output(8)

Run this file for a summary and a forward pass: python pytorch.py
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, key_dim: int, value_dim: int):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(d_model, num_heads * key_dim, bias=False)
        self.key = nn.Linear(d_model, num_heads * key_dim, bias=False)
        self.value = nn.Linear(d_model, num_heads * value_dim, bias=False)
        self.projection = nn.Linear(num_heads * value_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            each.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for each in (self.query(x), self.key(x), self.value(x))
        )  # (B, H, T, d)
        context = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)


class PositionalEncoding(nn.Module):
    """Adds a learned vector for each position, starting from N(0, 0.02)."""

    def __init__(self, d_model: int, max_len: int):
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(max_len, d_model))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight[: x.shape[1]]


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, embeddings from N(0, 0.02)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class KnownAttention(nn.Module):
    """Token ids (B, T) to logits (B, T, 8)."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(8, 36)
        self.positional_encoding = PositionalEncoding(d_model=36, max_len=12)
        self.six_patterns = MultiHeadAttention(36, num_heads=6, key_dim=12, value_dim=8)
        self.induction = MultiHeadAttention(36, num_heads=1, key_dim=12, value_dim=8)
        self.output = nn.Linear(36, 8)
        self.apply(init_weights)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)  # (B, T, 36)
        x = self.positional_encoding(x)
        x = x + self.six_patterns(x)
        x = x + self.induction(x)
        return self.output(x)  # (B, T, 8): logits, softmax makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = KnownAttention().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        probabilities = F.softmax(model(torch.randint(1, 8, (1, 12))), dim=-1)
    print("probabilities:", tuple(probabilities.shape))
