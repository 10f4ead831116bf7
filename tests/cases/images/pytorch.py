"""Images for PyTorch, compiled from model.neural.

    input (28, 20, 1) -> Conv2D(8) -> MaxPooling2D -> 2 x Stage ->
        GroupNormalization -> x + (Conv2D(16)) -> MaxPooling2D -> [left ->
        GlobalAveragePooling2D; right -> RMSNormalization -> Flatten -> Dense(16)]
        -> Concatenate -> Output(10)

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


class Stage(nn.Module):
    """Conv2D -> BatchNormalization -> Activation."""

    def __init__(self, n: int, in_features: int):
        super().__init__()
        self.conv2d = nn.Conv2d(in_features, n, (3, 3), padding="same", bias=False)
        self.batch_normalization = nn.BatchNorm2d(n, eps=0.001, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(-1, 1)
        x = self.conv2d(x)
        x = self.batch_normalization(x)
        x = F.relu(x)
        return x.movedim(1, -1)


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class Images(nn.Module):
    """Float input (B, 28, 20, 1) to logits (B, 10)."""

    def __init__(self):
        super().__init__()
        self.conv2d_0 = nn.Conv2d(1, 8, (5, 3), stride=(2, 1))
        self.max_pooling2d_0 = nn.MaxPool2d((2, 2))
        self.stage = Stage(n=16, in_features=8)
        self.stage_2 = Stage(n=16, in_features=16)
        self.group_normalization = nn.GroupNorm(4, 16, eps=0.001)
        self.conv2d_3 = nn.Conv2d(16, 16, (1, 3), padding="same", groups=2)
        self.max_pooling2d_1 = nn.MaxPool2d((3, 2))
        self.rms_normalization = nn.RMSNorm(16, eps=1e-6)
        self.dense = nn.Linear(160, 16)
        self.output = nn.Linear(32, 10)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(-1, 1)  # (B, 1, 28, 20)
        x = F.relu(self.conv2d_0(pad_same(x, (5, 3), (2, 1))))  # (B, 8, 14, 20)
        x = self.max_pooling2d_0(pad_same(x, (2, 2), (2, 2), value=float("-inf")))
        x = x.movedim(1, -1)  # (B, 7, 10, 8)
        x = self.stage(x)  # (B, 7, 10, 16)
        x = self.stage_2(x)
        x = x.movedim(-1, 1)  # (B, 16, 7, 10)
        x = self.group_normalization(x)
        residual = x
        x = self.conv2d_3(x)
        x = residual + x
        x = self.max_pooling2d_1(x)  # (B, 16, 2, 5)
        left = x.mean(dim=(2, 3))  # (B, 16)
        right = x.movedim(1, -1)  # (B, 2, 5, 16)
        right = self.rms_normalization(right)
        right = right.flatten(1)  # (B, 160)
        right = F.gelu(self.dense(right))  # (B, 16)
        x = torch.cat([left, right], dim=-1)  # (B, 32)
        return self.output(x)  # (B, 10): logits, softmax makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Images().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        probabilities = F.softmax(model(torch.randn(1, 28, 20, 1)), dim=-1)
    print("probabilities:", probabilities.squeeze(0).tolist())
