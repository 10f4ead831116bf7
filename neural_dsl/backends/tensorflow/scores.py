"""One attention of a Keras model on TensorFlow, as its kernel was given it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from neural_dsl.attention.allowed import Allowed, Which, depth, from_cells
from neural_dsl.attention.scores import Float32, Scores

HALF = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
"""Types of 16 bits, and their relative precision."""


class DeviceScores(Scores):
    """`Scores` over the kernel's own tensors: softmax(Q K^T · scale + bias), float32.

    query (B, H, Q, d); key, value (B, H or fewer, K, …); context (B, H, Q, size). `mask`
    (boolean) and `bias` broadcast to (B, H, Q, K). `given`, (B, H, Q, K), are the scores
    themselves, of layers that have a formula of their own. A row without any key is 0,
    or looks at all keys alike where the model `spreads` such rows.
    """

    def __init__(
        self,
        query: Any,
        key: Any,
        value: Any,
        context: Any,
        *,
        mask: Any = None,
        bias: Any = None,
        scale: float | None = None,
        causal: bool = False,
        given: Any = None,
        spreads: bool = False,
    ):
        self.given = given
        if given is None:
            self.query = tf.cast(query, tf.float32)
            self.key = tf.cast(key, tf.float32)
            size = self.query.shape[-1]
            self.scale = 1.0 / math.sqrt(size) if scale is None else scale
            batch, heads, queries, _ = self.query.shape
            self.shape = (batch, heads, queries, self.key.shape[2])
        else:
            self.shape = tuple(given.shape)
        self.value, self.result = value, context
        dtype = tf.convert_to_tensor(context).dtype
        self.precision = HALF.get(dtype.name, self.precision)
        self.bias = None if bias is None else tf.cast(bias, tf.float32)
        self.mask = None if mask is None else _four_axes(tf.cast(mask, tf.bool))
        self.causal, self.spreads = causal, spreads

    def _told(self) -> Allowed:
        batch, _, queries, keys = self.shape
        rule = Allowed((batch, queries, keys), causal=self.causal)
        if self.mask is not None:
            rule &= from_cells(self.mask.numpy(), rule.shape)
        if self.bias is not None:
            bias = tf.where(rule.rows(), self.bias, -math.inf)
            seen = visible(bias, self.query, self.key, self.scale)
            rule = from_cells(seen.numpy(), rule.shape)
        if self.spreads and not rule.everywhere:
            seen = rule.rows()
            rule = from_cells(seen | ~seen.any(-1, keepdims=True), rule.shape)
        return rule

    def values(self) -> Float32:
        """See `Scores`."""
        return array(self.value)

    def context(self) -> Float32:
        """See `Scores`."""
        return array(self.result)

    def _weights(self, queries: Which) -> Float32:
        scores, mask = self._scores(queries)
        weights = tf.nn.softmax(scores)
        if mask is not None and not self.spreads:
            weights = tf.where(mask, weights, 0.0)
        return array(weights)

    def _lse(self, queries: Which) -> Float32:
        scores, mask = self._scores(queries)
        if mask is not None and not self.spreads:
            scores = tf.where(mask, scores, -math.inf)
        return array(tf.reduce_logsumexp(scores, axis=-1))

    def _scores(self, queries: Which) -> tuple[Any, Any]:
        """Scores of the chosen rows, (B, H, q, K), the lowest number where nothing may be
        seen, and where that is (None: nowhere)."""
        batch, heads, length, keys = self.shape
        if self.given is not None:
            scores = tf.cast(_rows(self.given, queries), tf.float32)
        else:
            query = _rows(self.query, queries) * self.scale
            groups = self.key.shape[1]
            if groups != heads:
                query = tf.reshape(query, (batch, groups, -1, query.shape[-1]))
            scores = tf.matmul(query, self.key, transpose_b=True)
            scores = tf.reshape(scores, (batch, heads, -1, keys))
        if self.bias is not None:
            scores += _rows(self.bias, queries)
        mask = None if self.mask is None else _rows(self.mask, queries)
        if self.causal:
            place = np.arange(length)[queries]
            causal = tf.constant(np.arange(keys) <= place[:, None])
            mask = causal if mask is None else tf.logical_and(mask, causal)
        if mask is None:
            return scores, None
        mask = tf.broadcast_to(mask, scores.shape)
        # Lowest, not -inf: a row without any key must not become 0 / 0.
        return tf.where(mask, scores, scores.dtype.min), mask


def visible(bias: Any, query: Any, key: Any, scale: float | None) -> Any:
    """Where an added mask lets these queries look at these keys, as `allowed.depth` says:
    bool, of the mask's shape."""
    # Cauchy and Schwarz: |q · k| is at most |q| |k|.
    longest, farthest = (
        float(tf.reduce_max(tf.norm(tf.cast(each, tf.float32), axis=-1)))
        for each in (query, key)
    )
    lift = 2 * longest * farthest * abs(scale or query.shape[-1] ** -0.5)
    bias = tf.cast(bias, tf.float32)
    highest = tf.reduce_max(bias, axis=-1, keepdims=True)
    return (bias > -math.inf) & (bias >= highest - depth(lift))


def _rows(tensor: Any, queries: Which) -> Any:
    """The chosen rows along the last axis but one, if it has more than one."""
    if tensor.shape.rank < 2 or tensor.shape[-2] == 1:
        return tensor
    if isinstance(queries, slice):
        return tensor[..., queries, :]
    return tf.gather(tensor, queries, axis=-2)


def _four_axes(mask: Any) -> Any:
    """A mask with the axes that it leaves out in front; (B, Q, K) belongs to all heads."""
    while mask.shape.rank < 3:
        mask = mask[None]
    return mask[:, None] if mask.shape.rank == 3 else mask


def array(tensor: Any) -> Float32:
    """As NumPy, in float32."""
    return np.asarray(tf.cast(tensor, tf.float32))
