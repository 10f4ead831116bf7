"""ResidualBranches for PyTorch, compiled from model.neural.

    input (8, 16) -> x + (Dense(32) -> Dense(16)) -> [left -> Dense(8) -> x +
        (LayerNormalization -> Dense(8)); right -> Dense(8)] -> Add -> 2 x x + (x +
        (Dense(8)) -> Dropout(0.1)) -> Dense(8) -> Dropout(0.2) -> Dense(8) ->
        Dropout(0.2) -> Dense(8) -> Dropout(0.2) -> Flatten -> Output(1)

Run this file for a summary and a forward pass: python pytorch.py
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """x + (x + (Dense) -> Dropout)."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(8, 8)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        residual = x
        x = x + self.dense(x)
        x = self.dropout(x)
        return residual + x


class Block(nn.Module):
    """Dense -> Dropout."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(8, 8)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.dense(x))
        return self.dropout(x)


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class ResidualBranches(nn.Module):
    """Float input (B, 8, 16) to logits (B, 1)."""

    def __init__(self):
        super().__init__()
        self.dense_0 = nn.Linear(16, 32)
        self.dense_1 = nn.Linear(32, 16)
        self.dense_2 = nn.Linear(16, 8)
        self.layer_normalization = nn.LayerNorm(8)
        self.dense_3 = nn.Linear(8, 8)
        self.dense_4 = nn.Linear(16, 8)
        self.residual_blocks = nn.ModuleList(ResidualBlock() for _ in range(2))
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.output = nn.Linear(64, 1)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dense_1(F.relu(self.dense_0(x)))
        left = self.dense_2(x)  # (B, 8, 8)
        left = left + self.dense_3(self.layer_normalization(left))
        right = torch.tanh(self.dense_4(x))  # (B, 8, 8)
        x = left + right
        for block in self.residual_blocks:
            x = block(x)
        for block in self.blocks:
            x = block(x)
        x = x.flatten(1)  # (B, 64)
        return self.output(x)  # (B, 1): logits


if __name__ == "__main__":
    torch.manual_seed(0)
    model = ResidualBranches().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        logits = model(torch.randn(1, 8, 16))
    print("logits:", logits.squeeze(0).tolist())
