"""One attention of a PyTorch model, as its kernel was given it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neural_dsl.attention.allowed import EVERYTHING, Allowed, Which, depth, from_cells
from neural_dsl.attention.scores import Float32, Scores, mixed


@dataclass(frozen=True)
class Call:
    """What `F.scaled_dot_product_attention` is given, and the function to give it to:
    query (…, H, Q, d), key and value (…, H or fewer, K, …); a boolean mask says where a
    query may attend, a float one is added; causal means that query i sees the keys 0 …
    i. Without a head axis there is one head, without a batch axis one item."""

    kernel: Callable[..., Tensor]
    query: Tensor
    key: Tensor
    value: Tensor
    attn_mask: Tensor | None = None
    dropout_p: float = 0.0
    is_causal: bool = False
    scale: float | None = None
    enable_gqa: bool = False

    def run(self) -> Tensor:
        """The kernel's result, (…, H, Q, size)."""
        return self.kernel(
            self.query,
            self.key,
            self.value,
            self.attn_mask,
            self.dropout_p,
            self.is_causal,
            scale=self.scale,
            enable_gqa=self.enable_gqa,
        )


class DeviceScores(Scores):
    """`Scores` over the kernel's own tensors: softmax(Q K^T · scale + mask), float32."""

    def __init__(self, call: Call, context: Tensor):
        """`context` is the kernel's result. What dropout made of it cannot be compared:
        the kernel is then asked again without."""
        if call.dropout_p:
            context = replace(call, dropout_p=0.0).run()
        mask = call.attn_mask
        if mask is not None and call.query.dim() == mask.dim() == 3:
            mask = mask.unsqueeze(1)  # (B, Q, K) of a call without heads
        self.query, self.key = four_axes(call.query), four_axes(call.key)
        self.value, self.result = four_axes(call.value), four_axes(context)
        self.mask, self.causal = mask, call.is_causal
        self.precision = torch.finfo(context.dtype).eps
        size = self.query.shape[-1]
        self.scale = 1.0 / math.sqrt(size) if call.scale is None else call.scale
        batch, heads, queries, _ = self.query.shape
        self.shape = (batch, heads, queries, self.key.shape[2])

    def _told(self) -> Allowed:
        batch, _, queries, keys = self.shape
        rule = Allowed((batch, queries, keys), causal=self.causal)
        if self.mask is None:
            return rule
        seen = visible(self.mask, self.query, self.key, self.scale)
        cells = four_axes_of_mask(seen).cpu().numpy()
        return rule & from_cells(cells, rule.shape)

    def values(self) -> Float32:
        """See `Scores`."""
        return array(self.value)

    def context(self) -> Float32:
        """See `Scores`."""
        return array(self.result)

    def mix(self, weights: Float32, columns: npt.NDArray[np.floating]) -> Float32:
        """See `Scores`. By PyTorch's threads: beside them, which go on spinning for a
        while after the model, those of NumPy's own products halve the speed of both."""
        given = (
            np.require(each, np.float32, ["C", "W"]) for each in (weights, columns)
        )
        return np.asarray(mixed(*map(torch.from_numpy, given)).numpy())

    def _weights(self, queries: Which) -> Float32:
        with torch.no_grad():
            scores = self._scores(queries)
            weights = torch.softmax(scores, dim=-1)
            if self.mask is not None:
                # Only a row without any key is NaN from the start (0 / 0).
                empty = scores.amax(dim=-1, keepdim=True) == -math.inf
                weights.masked_fill_(empty, 0.0)
            return array(weights)

    def _lse(self, queries: Which) -> Float32:
        with torch.no_grad():
            return array(torch.logsumexp(self._scores(queries), dim=-1))

    def _scores(self, queries: Which) -> Tensor:
        """Scores of the chosen rows, (B, H, q, K), -inf where nothing may be seen."""
        rows = queries if isinstance(queries, slice) else torch.tensor(queries.copy())
        batch, heads, length, keys = self.shape
        groups = self.key.shape[1]
        query = self.query[:, :, rows].float() * self.scale
        key = self.key.float().transpose(-2, -1)
        if groups != heads:
            query = query.reshape(batch, groups, -1, query.shape[-1])
        scores = torch.matmul(query, key).reshape(batch, heads, -1, keys)
        if self.causal:
            place = torch.arange(length, device=scores.device)[rows]
            future = torch.arange(keys, device=scores.device) > place[:, None]
            scores.masked_fill_(future, -math.inf)
        mask = self.mask
        if mask is not None:
            if mask.dim() > 1 and mask.shape[-2] != 1 and queries is not EVERYTHING:
                mask = mask[..., rows, :]
            if mask.dtype == torch.bool:
                scores.masked_fill_(~mask, -math.inf)
            else:
                scores.add_(mask)
        return scores


def visible(mask: Tensor, query: Tensor, key: Tensor, scale: float | None) -> Tensor:
    """Where a mask lets these queries look at these keys, as `allowed.depth` says: bool,
    of the mask's shape."""
    if mask.dtype == torch.bool:
        return mask
    # Cauchy and Schwarz: |q · k| is at most |q| |k|.
    longest, farthest = (
        float(each.detach().float().norm(dim=-1).max()) for each in (query, key)
    )
    lift = 2 * longest * farthest * abs(scale or query.shape[-1] ** -0.5)
    highest = mask.amax(dim=-1, keepdim=True).float()
    return (mask > -math.inf) & (mask >= highest - depth(lift))


def four_axes(tensor: Tensor) -> Tensor:
    """(T, d) and (B, T, d) as (B, H, T, d) with one head."""
    while tensor.dim() < 3:
        tensor = tensor.unsqueeze(0)
    return tensor.unsqueeze(1) if tensor.dim() == 3 else tensor


def four_axes_of_mask(mask: Tensor) -> Tensor:
    """A mask with the axes that it leaves out in front."""
    while mask.dim() < 4:
        mask = mask.unsqueeze(0)
    return mask


def array(tensor: Tensor) -> Float32:
    """Off the device, in float32."""
    found: Float32 = np.asarray(tensor.detach().float().cpu().numpy())
    return found
