"""Multi-head attention in plain NumPy float64: slow, plain, and written independently of
the emitted code and of the capture."""

import numpy as np


def assert_agree(actual, expected, tolerance=1e-5, what=""):
    """The project's parity: |actual - expected| <= tolerance * max(1, |expected|)."""
    assert actual.shape == expected.shape, what
    bound = tolerance * np.maximum(1.0, np.abs(expected))
    excess = np.abs(actual - expected) / bound
    assert np.isfinite(actual).all(), what
    assert excess.max() <= 1.0, f"{what}: {excess.max():.2f} times the tolerance"


def attention_weights(q, k, allowed):
    """One head: q (Q, d), k (K, d), allowed bool (Q, K) -> weights (Q, K)."""
    weights = np.zeros((len(q), len(k)))
    for i, query in enumerate(q):
        keys = np.flatnonzero(allowed[i])
        if len(keys) == 0:
            continue
        scores = np.array([query @ k[j] for j in keys]) / np.sqrt(q.shape[-1])
        exponentials = np.exp(scores - scores.max())
        weights[i, keys] = exponentials / exponentials.sum()
    return weights


def multi_head_attention(
    weights, prefix, num_heads, x, memory=None, key_mask=None, causal=False
):
    """The layer whose canonical weights start with `prefix`.

    x (B, Q, features), memory (B, K, features; None: x), key_mask bool (B, K). Returns
    the layer's output (B, Q, d_model) and the weights (B, H, Q, K).
    """

    def dense(name, array):
        bias = weights.get(f"{prefix}.{name}.bias", 0.0)
        return array @ weights[f"{prefix}.{name}.weight"].T.astype(np.float64) + bias

    memory = x if memory is None else memory
    q, k, v = dense("query", x), dense("key", memory), dense("value", memory)
    batch, queries, keys = len(x), x.shape[1], memory.shape[1]
    matrices = np.zeros((batch, num_heads, queries, keys))
    context = np.zeros((batch, queries, v.shape[-1]))
    for item in range(batch):
        allowed = np.ones((queries, keys), dtype=bool)
        if key_mask is not None:
            allowed &= key_mask[item]
        if causal:
            allowed &= np.arange(keys) <= np.arange(queries)[:, None]
        for head in range(num_heads):
            size, wide = q.shape[-1] // num_heads, v.shape[-1] // num_heads
            own = slice(head * size, (head + 1) * size)
            out = slice(head * wide, (head + 1) * wide)
            matrix = attention_weights(q[item, :, own], k[item, :, own], allowed)
            matrices[item, head] = matrix
            context[item, :, out] = matrix @ v[item, :, out]
    return dense("projection", context), matrices
