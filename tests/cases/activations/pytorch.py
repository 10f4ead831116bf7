"""Activations for PyTorch, compiled from model.neural.

    input (6, 8) -> Activation(relu) -> Activation(relu6) -> Activation(leaky_relu)
        -> Activation(elu) -> Activation(selu) -> Activation(celu) ->
        Activation(gelu) -> … -> Activation(log_softmax) -> Activation(softmax) ->
        Activation(linear) -> 3 x Dense(4)

Run this file for a summary and a forward pass: python pytorch.py
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def squareplus(x: Tensor) -> Tensor:
    """(x + √(x² + 4)) / 2, a smooth ReLU (Barron, 2021)."""
    return (x + torch.sqrt(x * x + 4)) / 2


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class Activations(nn.Module):
    """Float input (B, 6, 8) to outputs (B, 6, 4)."""

    def __init__(self):
        super().__init__()
        self.dense_0 = nn.Linear(8, 4)
        self.dense_1 = nn.Linear(4, 4)
        self.dense_2 = nn.Linear(4, 4)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)  # (B, 6, 8)
        x = F.relu6(x)  # (B, 6, 8)
        x = F.leaky_relu(x, negative_slope=0.2)  # (B, 6, 8)
        x = F.elu(x)  # (B, 6, 8)
        x = F.selu(x)  # (B, 6, 8)
        x = F.celu(x)  # (B, 6, 8)
        x = F.gelu(x)  # (B, 6, 8)
        x = F.silu(x)  # (B, 6, 8)
        x = torch.sigmoid(x)  # (B, 6, 8)
        x = F.hardsigmoid(x)  # (B, 6, 8)
        x = F.hardswish(x)  # (B, 6, 8)
        x = torch.tanh(x)  # (B, 6, 8)
        x = F.softplus(x)  # (B, 6, 8)
        x = F.softsign(x)  # (B, 6, 8)
        x = torch.exp(x)  # (B, 6, 8)
        x = F.mish(x)  # (B, 6, 8)
        x = F.logsigmoid(x)  # (B, 6, 8)
        x = F.hardtanh(x)  # (B, 6, 8)
        x = F.tanhshrink(x)  # (B, 6, 8)
        x = F.softshrink(x)  # (B, 6, 8)
        x = F.hardshrink(x)  # (B, 6, 8)
        x = squareplus(x)  # (B, 6, 8)
        x = F.log_softmax(x, dim=-1)  # (B, 6, 8)
        x = F.softmax(x, dim=-1)  # (B, 6, 8)
        x = F.leaky_relu(self.dense_0(x), negative_slope=0.2)  # (B, 6, 4)
        x = squareplus(self.dense_1(x))  # (B, 6, 4)
        return F.softmax(self.dense_2(x), dim=-1)  # (B, 6, 4)


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Activations().eval()
    parameters = sum(p.numel() for p in model.parameters())
    print(model)
    print(f"{parameters:,} parameters")
    with torch.inference_mode():
        x = torch.randn(1, 6, 8)
        outputs = model(x)
    print("outputs:", tuple(outputs.shape))
