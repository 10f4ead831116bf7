"""Normalization for PyTorch, compiled from model.neural.

    input (7, 12) -> BatchNormalization -> LayerNormalization -> Flatten ->
        BatchNormalization -> Reshape((3, 28)) -> Dense(5) -> LayerNormalization

Run this file for a summary and a forward pass: python pytorch.py
"""

import torch
from torch import Tensor, nn


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class Normalization(nn.Module):
    """Float input (B, 7, 12) to outputs (B, 3, 5)."""

    def __init__(self):
        super().__init__()
        self.batch_normalization_0 = nn.BatchNorm1d(12, eps=0.001, momentum=0.1)
        self.layer_normalization_0 = nn.LayerNorm(12, eps=0.001)
        self.batch_normalization_1 = nn.BatchNorm1d(84, eps=0.01, momentum=0.01)
        self.dense = nn.Linear(28, 5)
        self.layer_normalization_1 = nn.LayerNorm(5)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)  # (B, 12, 7)
        x = self.batch_normalization_0(x)
        x = x.transpose(1, 2)  # (B, 7, 12)
        x = self.layer_normalization_0(x)
        x = x.flatten(1)  # (B, 84)
        x = self.batch_normalization_1(x)
        x = x.reshape(len(x), 3, 28)  # (B, 3, 28)
        x = self.dense(x)  # (B, 3, 5)
        return self.layer_normalization_1(x)


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Normalization().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        outputs = model(torch.randn(1, 7, 12))
    print("outputs:", tuple(outputs.shape))
