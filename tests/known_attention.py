"""Weights set by hand, for which the attention matrix is known exactly.

The residual stream holds each position as a one-hot vector: feature j of position i is 1
where i = j. Query and key projections of a head turn it into "the position that I look
for" and "the position that I am", scaled so far up that softmax leaves the wanted key
alone (the others get exp(-SHARPNESS), below 1e-10). Uniform attention has scores of zero.

This is the construction of RASP programs (Weiss et al., 2021) and of the "perfect" heads
of Lindner et al., 2023 (tracr).
"""

from collections.abc import Callable

import numpy as np

SHARPNESS = 40.0

# Head -> the key that query i looks at among n, or None for "all equally".
PATTERNS: dict[str, Callable[[int, int], int] | None] = {
    "identity": lambda i, n: i,
    "previous token": lambda i, n: max(i - 1, 0),
    "reversal": lambda i, n: n - 1 - i,
    "first token": lambda i, n: 0,
    "uniform": None,
}


def positions(length: int, batch: int = 1) -> np.ndarray:
    """Float input (batch, length, length) whose position i is the i-th unit vector."""
    return np.tile(np.eye(length, dtype=np.float32), (batch, 1, 1))


def expected_matrix(pattern: str, length: int, allowed=None) -> np.ndarray:
    """The matrix (length, length) of a pattern. `allowed`, bool of that shape, hides keys
    from the uniform head; the other heads must not look at a hidden key."""
    key_of = PATTERNS[pattern]
    if key_of is None:
        open_keys = np.ones((length, length)) if allowed is None else allowed * 1.0
        return open_keys / np.maximum(open_keys.sum(-1, keepdims=True), 1)
    return np.eye(length)[[key_of(i, length) for i in range(length)]]


def head_projections(pattern: str, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Query and key projection (key_dim = length, features = length) of one head.

    q_i = SHARPNESS · sqrt(length) · unit(key_of(i)), k_j = unit(j), so that the score
    q_i · k_j / sqrt(length) is SHARPNESS for the wanted key and 0 for all others.
    """
    key = np.eye(length)
    key_of = PATTERNS[pattern]
    if key_of is None:
        return np.zeros((length, length)), key
    query = np.zeros((length, length))
    for i in range(length):
        query[key_of(i, length), i] = SHARPNESS * np.sqrt(length)
    return query, key


def with_known_heads(weights, prefix: str, patterns, length: int):
    """A copy of canonical weights in which the attention at `prefix` has these heads.

    The layer must have d_model = key_dim = `length` and one head a pattern; values and
    the output projection stay as they are, biases of queries and keys become zero.
    """
    heads = [head_projections(pattern, length) for pattern in patterns]
    changed = dict(weights)
    for part, index in (("query", 0), ("key", 1)):
        name = f"{prefix}.{part}.weight"
        new = np.concatenate([head[index] for head in heads]).astype(np.float32)
        assert new.shape == weights[name].shape, (name, new.shape)
        changed[name] = new
        changed[f"{prefix}.{part}.bias"] = np.zeros(len(new), dtype=np.float32)
    return changed
