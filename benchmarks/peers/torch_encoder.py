"""The same model built from PyTorch's own `nn.TransformerEncoder`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EncoderModel(nn.Module):
    """Token ids and targets to logits and the loss."""

    def __init__(self, vocabulary: int, layers: int, heads: int, width: int, T: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(0.02 * torch.randn(T, width))
        layer = nn.TransformerEncoderLayer(
            width,
            heads,
            4 * width,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(
            layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.output = nn.Linear(width, vocabulary)
        mask = nn.Transformer.generate_square_subsequent_mask(T)
        self.register_buffer("mask", mask)

    def forward(self, idx: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        T = idx.size(1)
        x = self.embedding(idx) + self.position[:T]
        x = self.encoder(x, mask=self.mask[:T, :T], is_causal=True)
        logits = self.output(x)
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten())
