"""Hand-set weights whose attention matrix is known: the strictest test of a capture."""

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends import create_runtime
from tests.capturing import capture
from tests.known_attention import (
    PATTERNS,
    expected_matrix,
    positions,
    with_known_heads,
)

LENGTH = 9
HEADS = list(PATTERNS)


def built(backend: str, layers: str, inputs: str = f"({LENGTH}, {LENGTH})"):
    text = f"network Known {{ input: {inputs}\n layers: {layers} }}"
    return create_runtime(nd.compile(text, backend), seed=1)


def check_heads(matrices, patterns, allowed=None):
    """Every head of (B, H, Q, K) is its pattern's matrix, to 1e-6."""
    assert matrices.shape[1] == len(patterns)
    for head, pattern in enumerate(patterns):
        for item in matrices[:, head]:
            expected = expected_matrix(pattern, LENGTH, allowed)
            np.testing.assert_allclose(
                item, expected, rtol=0, atol=1e-6, err_msg=pattern
            )


def test_every_pattern_in_one_layer(backend):
    runtime = built(backend, f"MultiHeadAttention({len(HEADS)}, key_dim={LENGTH})")
    prefix = "multi_head_attention"
    runtime.load_weights(with_known_heads(runtime.weights(), prefix, HEADS, LENGTH))
    captured = capture(runtime, {"input": positions(LENGTH, batch=2)})
    check_heads(captured.weights[prefix], HEADS)


def test_the_order_of_the_heads_is_kept(backend):
    """Heads that are swapped in the weights are swapped in the capture, no other way."""
    order = HEADS[::-1]
    runtime = built(backend, f"MultiHeadAttention({len(order)}, key_dim={LENGTH})")
    prefix = "multi_head_attention"
    runtime.load_weights(with_known_heads(runtime.weights(), prefix, order, LENGTH))
    check_heads(capture(runtime, {"input": positions(LENGTH)}).weights[prefix], order)


@pytest.mark.parametrize("pattern", HEADS)
def test_a_pattern_inside_an_encoder(backend, pattern):
    runtime = built(backend, f"TransformerEncoder(1, 8, key_dim={LENGTH})")
    weights = with_known_heads(
        runtime.weights(), "transformer_encoder.attention", [pattern], LENGTH
    )
    runtime.load_weights(weights)
    captured = capture(runtime, {"input": positions(LENGTH)})
    check_heads(captured.weights["transformer_encoder"], [pattern])


def test_causal_heads_look_back_only(backend):
    patterns = ["identity", "previous token", "first token", "uniform"]
    runtime = built(backend, f"TransformerDecoder(4, 8, key_dim={LENGTH})")
    name = "transformer_decoder.self_attention"
    runtime.load_weights(with_known_heads(runtime.weights(), name, patterns, LENGTH))
    captured = capture(runtime, {"input": positions(LENGTH)}).weights[name]
    check_heads(captured, patterns, np.tri(LENGTH, dtype=bool))


def test_a_causal_mask_hides_even_the_strongest_key(backend):
    """The reversal head wants keys of the future; it gets uniform attention instead."""
    runtime = built(backend, f"MultiHeadAttention(1, key_dim={LENGTH}, causal=true)")
    prefix = "multi_head_attention"
    weights = with_known_heads(runtime.weights(), prefix, ["reversal"], LENGTH)
    runtime.load_weights(weights)
    matrix = capture(runtime, {"input": positions(LENGTH)}).weights[prefix][0, 0]
    expected = expected_matrix("uniform", LENGTH, np.tri(LENGTH, dtype=bool))
    for i in range(LENGTH):
        if LENGTH - 1 - i <= i:  # the wanted key is not in the future
            expected[i] = np.eye(LENGTH)[LENGTH - 1 - i]
    np.testing.assert_allclose(matrix, expected, rtol=0, atol=1e-6)


def test_cross_attention_reads_the_memory(backend):
    size = f"({LENGTH}, {LENGTH})"
    runtime = built(
        backend,
        "memory: { Activation(linear) } target: { Activation(linear) } "
        f'MultiHeadAttention(2, key_dim={LENGTH}, mode="cross")',
        f"{{memory: {size}, target: {size}}}",
    )
    prefix, patterns = "multi_head_attention", ["reversal", "previous token"]
    runtime.load_weights(with_known_heads(runtime.weights(), prefix, patterns, LENGTH))
    shuffle = np.random.default_rng(0).permutation(LENGTH)
    memory = positions(LENGTH)[:, shuffle]  # key j is position shuffle[j]
    inputs = {"memory": memory, "target": positions(LENGTH)}
    captured = capture(runtime, inputs).weights[prefix]
    for head, pattern in enumerate(patterns):
        expected = expected_matrix(pattern, LENGTH)[:, shuffle]
        np.testing.assert_allclose(captured[0, head], expected, rtol=0, atol=1e-6)


def test_what_the_heads_move_is_what_their_matrix_says(backend):
    """A copy task end to end: identity values and projection give A · x itself."""
    runtime = built(backend, f"MultiHeadAttention(1, key_dim={LENGTH})")
    prefix = "multi_head_attention"
    weights = with_known_heads(runtime.weights(), prefix, ["reversal"], LENGTH)
    for part in ("value", "projection"):
        weights[f"{prefix}.{part}.weight"] = np.eye(LENGTH, dtype=np.float32)
        weights[f"{prefix}.{part}.bias"] = np.zeros(LENGTH, dtype=np.float32)
    runtime.load_weights(weights)
    output = runtime.run({"input": positions(LENGTH)})
    np.testing.assert_allclose(output[0], np.eye(LENGTH)[::-1], rtol=0, atol=1e-6)
