"""CrossAttentionModel for PyTorch, compiled from model.neural.

    memory (9, 24), target (5, 16) -> [memory -> Dense(20); target -> Dense(16)] ->
        MultiHeadAttention(2) -> LayerNormalization -> MultiHeadAttention(4) ->
        Flatten -> Output(2)

Run this file for a summary and a forward pass: python pytorch.py
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int, dropout: float):
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.query = nn.Linear(d_model, d_model, bias=False)
        self.key = nn.Linear(d_model, d_model, bias=False)
        self.value = nn.Linear(d_model, d_model, bias=False)
        self.projection = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            each.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for each in (self.query(x), self.key(x), self.value(x))
        )  # (B, H, T, d)
        context = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, dropout_p=self.dropout if self.training else 0.0
        )
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)


class CrossAttention(nn.Module):
    """Scaled dot-product attention to a memory, in several heads (Vaswani et al., 2017)."""

    def __init__(
        self, d_model: int, num_heads: int, key_dim: int, value_dim: int, d_memory: int
    ):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(d_model, num_heads * key_dim)
        self.key = nn.Linear(d_memory, num_heads * key_dim)
        self.value = nn.Linear(d_memory, num_heads * value_dim)
        self.projection = nn.Linear(num_heads * value_dim, d_model)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        q, k, v = (
            each.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for each in (self.query(x), self.key(memory), self.value(memory))
        )  # (B, H, T, d) and twice (B, H, S, d)
        context = F.scaled_dot_product_attention(q, k, v)
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class CrossAttentionModel(nn.Module):
    """Inputs memory (B, 9, 24), target (B, 5, 16) to logits (B, 2)."""

    def __init__(self):
        super().__init__()
        self.dense_0 = nn.Linear(24, 20)
        self.dense_1 = nn.Linear(16, 16)
        self.multi_head_attention_0 = CrossAttention(
            16, num_heads=2, key_dim=6, value_dim=5, d_memory=20
        )
        self.layer_normalization = nn.LayerNorm(16)
        self.multi_head_attention_1 = SelfAttention(16, num_heads=4, dropout=0.2)
        self.output = nn.Linear(80, 2)
        self.apply(init_weights)

    def forward(self, memory: Tensor, target: Tensor) -> Tensor:
        memory = F.relu(self.dense_0(memory))  # (B, 9, 20)
        target = self.dense_1(target)
        target = self.multi_head_attention_0(target, memory)
        target = self.layer_normalization(target)
        target = self.multi_head_attention_1(target)
        target = target.flatten(1)  # (B, 80)
        return self.output(target)  # (B, 2): logits


if __name__ == "__main__":
    torch.manual_seed(0)
    model = CrossAttentionModel().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        memory = torch.randn(1, 9, 24)
        target = torch.randn(1, 5, 16)
        logits = model(memory, target)
    print("logits:", logits.squeeze(0).tolist())
