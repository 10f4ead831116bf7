"""How a CPU multiplies fastest: products as convolutions, around an emitted training."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WORTH_IT = 1024
"""Rows from which a convolution gains."""


class ConvolvedLinear(nn.Linear):
    """nn.Linear as a convolution of width 1: same weights, same result up to rounding."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, in_features) to (B, T, out_features); other ranks are multiplied."""
        if x.dim() != 3 or x.shape[0] * x.shape[1] < WORTH_IT:
            return super().forward(x)
        image = x.mT.unsqueeze(2)  # (B, C, 1, T), channels last: it is read in place
        return F.conv2d(image, self.weight[:, :, None, None], self.bias).squeeze(2).mT


def convolve(model: nn.Module) -> bool:
    """Let a model multiply by convolving where that is up to twice as fast: on AMD
    processors with AVX-512. There MKL, which multiplies matrices, makes do with AVX2;
    oneDNN, which convolves, uses AVX-512. Says whether it does."""
    tell = getattr(torch.cpu, "get_capabilities", dict)  # older ones do not
    known: dict[str, Any] = tell()
    if "AMD" not in known.get("cpu_name", "") or not known.get("avx512_f"):
        return False
    for layer in model.modules():
        if type(layer) is nn.Linear:
            layer.__class__ = ConvolvedLinear
    return True
