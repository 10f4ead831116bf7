"""Convolution for PyTorch, compiled from model.neural.

    input (21, 6) -> 3 x Conv1D(8) -> Conv1D(16) -> Conv1D(4) -> BatchNormalization
        -> GlobalMaxPooling1D -> Output(1)

Run this file for a summary and a forward pass: python pytorch.py
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def pad_same(
    x: Tensor, kernel_size: tuple[int, ...], stride: tuple[int, ...], value: float = 0.0
) -> Tensor:
    """Pads x (B, C, …), so that ceil(size / stride) windows fit an axis, as in Keras."""
    padding: list[int] = []  # of the last axis first
    for axis in reversed(range(len(stride))):
        left_over = x.shape[axis + 2] % stride[axis] or stride[axis]
        total = max(kernel_size[axis] - left_over, 0)
        padding += [total // 2, total - total // 2]
    return F.pad(x, padding, value=value)


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear | nn.Conv1d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class Convolution(nn.Module):
    """Float input (B, 21, 6) to logits (B, 1)."""

    def __init__(self):
        super().__init__()
        self.conv1d_0 = nn.Conv1d(6, 8, 3)
        self.conv1d_1 = nn.Conv1d(8, 8, 3, padding="same")
        self.conv1d_2 = nn.Conv1d(8, 8, 4, dilation=2)
        self.conv1d_3 = nn.Conv1d(8, 16, 5, stride=2, groups=2)
        self.conv1d_4 = nn.Conv1d(16, 4, 2, stride=2, bias=False)
        self.batch_normalization = nn.BatchNorm1d(4, eps=0.001, momentum=0.01)
        self.output = nn.Linear(4, 1)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)  # (B, 6, 21)
        x = F.relu(self.conv1d_0(x))  # (B, 8, 19)
        x = self.conv1d_1(x)
        x = self.conv1d_2(F.pad(x, (6, 0)))
        x = F.gelu(self.conv1d_3(pad_same(x, (5,), (2,))))  # (B, 16, 10)
        x = self.conv1d_4(x)  # (B, 4, 5)
        x = self.batch_normalization(x)
        x = x.transpose(1, 2)  # (B, 5, 4)
        x = x.amax(dim=1)  # (B, 4)
        return self.output(x)  # (B, 1): logits, a sigmoid makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Convolution().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        probabilities = torch.sigmoid(model(torch.randn(1, 21, 6)))
    print("probabilities:", probabilities.squeeze(0).tolist())
