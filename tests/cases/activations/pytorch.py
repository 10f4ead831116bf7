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
        x = F.relu(x)
        x = F.relu6(x)
        x = F.leaky_relu(x, negative_slope=0.2)
        x = F.elu(x)
        x = F.selu(x)
        x = F.celu(x)
        x = F.gelu(x)
        x = F.silu(x)
        x = torch.sigmoid(x)
        x = F.hardsigmoid(x)
        x = F.hardswish(x)
        x = torch.tanh(x)
        x = F.softplus(x)
        x = F.softsign(x)
        x = torch.exp(x)
        x = F.mish(x)
        x = F.logsigmoid(x)
        x = F.hardtanh(x)
        x = F.tanhshrink(x)
        x = F.softshrink(x)
        x = F.hardshrink(x)
        x = squareplus(x)
        x = F.log_softmax(x, dim=-1)
        x = F.softmax(x, dim=-1)
        x = F.leaky_relu(self.dense_0(x), negative_slope=0.2)  # (B, 6, 4)
        x = squareplus(self.dense_1(x))
        return F.softmax(self.dense_2(x), dim=-1)


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Activations().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        outputs = model(torch.randn(1, 6, 8))
    print("outputs:", tuple(outputs.shape))
