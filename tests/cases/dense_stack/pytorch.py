"""DenseStack for PyTorch, compiled from model.neural.

    input (10) -> 4 x Dense(64) -> Dropout(0.5) -> Output(3)

Run this file for a summary and a forward pass: python pytorch.py
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class DenseStack(nn.Module):
    """Float input (B, 10) to logits (B, 3)."""

    def __init__(self):
        super().__init__()
        self.dense_0 = nn.Linear(10, 64)
        self.dense_layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(3))
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(64, 3)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.dense_0(x))  # (B, 64)
        for layer in self.dense_layers:
            x = F.relu(layer(x))
        x = self.dropout(x)
        return self.output(x)  # (B, 3): logits, softmax makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = DenseStack().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        probabilities = F.softmax(model(torch.randn(1, 10)), dim=-1)
    print("probabilities:", probabilities.squeeze(0).tolist())
