"""CrossAttention for PyTorch, compiled from model.neural.

    memory (9, 24), target (5, 16) -> [memory -> Dense(20); target -> Dense(16)] ->
        MultiHeadAttention(2) -> LayerNormalization -> MultiHeadAttention(4) ->
        Flatten -> Output(2)

Run this file for a summary and a forward pass: python pytorch.py
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        key_dim: int,
        value_dim: int,
        d_memory: int,
        use_bias: bool,
        causal: bool,
        dropout: float,
    ):
        super().__init__()
        self.num_heads = num_heads
        self.causal = causal
        self.dropout = dropout
        self.query = nn.Linear(d_model, num_heads * key_dim, bias=use_bias)
        self.key = nn.Linear(d_memory, num_heads * key_dim, bias=use_bias)
        self.value = nn.Linear(d_memory, num_heads * value_dim, bias=use_bias)
        self.projection = nn.Linear(num_heads * value_dim, d_model, bias=use_bias)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        q = self.split_heads(self.query(x))  # (B, H, T, d)
        k = self.split_heads(self.key(memory))  # (B, H, S, d)
        v = self.split_heads(self.value(memory))  # (B, H, S, d)
        context = F.scaled_dot_product_attention(
            q,
            k,
            v,
            is_causal=self.causal,
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)

    def split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class CrossAttention(nn.Module):
    """Inputs memory (B, 9, 24), target (B, 5, 16) to logits (B, 2)."""

    def __init__(self):
        super().__init__()
        self.dense_0 = nn.Linear(24, 20)
        self.dense_1 = nn.Linear(16, 16)
        self.multi_head_attention_0 = MultiHeadAttention(
            16,
            num_heads=2,
            key_dim=6,
            value_dim=5,
            d_memory=20,
            use_bias=True,
            causal=False,
            dropout=0.0,
        )
        self.layer_normalization = nn.LayerNorm(16)
        self.multi_head_attention_1 = MultiHeadAttention(
            16,
            num_heads=4,
            key_dim=4,
            value_dim=4,
            d_memory=16,
            use_bias=False,
            causal=True,
            dropout=0.2,
        )
        self.output = nn.Linear(80, 2)
        self.apply(init_weights)

    def forward(self, memory: Tensor, target: Tensor) -> Tensor:
        memory = F.relu(self.dense_0(memory))  # (B, 9, 20)
        target = self.dense_1(target)  # (B, 5, 16)
        target = self.multi_head_attention_0(target, memory)  # (B, 5, 16)
        target = self.layer_normalization(target)  # (B, 5, 16)
        target = self.multi_head_attention_1(target, target)  # (B, 5, 16)
        target = target.flatten(1)  # (B, 80)
        return self.output(target)  # (B, 2): logits


if __name__ == "__main__":
    torch.manual_seed(0)
    model = CrossAttention().eval()
    parameters = sum(p.numel() for p in model.parameters())
    print(model)
    print(f"{parameters:,} parameters")
    with torch.inference_mode():
        memory = torch.randn(1, 9, 24)
        target = torch.randn(1, 5, 16)
        logits = model(memory, target)
    print("logits:", logits.squeeze(0).tolist())
