"""A value whose channels stand first on PyTorch is the same value to whatever reads it.

Every size is 4, so that a missed permutation changes numbers and raises nothing. The
other backend, whose channels always stand last, is the oracle.
"""

import numpy as np
import pytest

import neural_dsl as nd

BODIES = {
    "a residual of one call": "ResidualConnection { MultiHeadAttention(2) }",
    "a residual of layers": "ResidualConnection { Dense(4) Conv1D(4, 1) }",
    "a residual of convolutions": "ResidualConnection { Conv1D(4, 1) Conv1D(4, 1) }",
    "a repeated layer": "Dense(4) * 2",
    "a repeated convolution": "Conv1D(4, 1) * 2 TransformerEncoder(2, 4)",
    "branches": "a: { Dense(4) } b: { Conv1D(4, 1) } Add()",
    "a memory": "a: { Conv1D(4, 1) } b: { Dense(4) } TransformerDecoder(2, 4)",
    "a macro": "M()",
    "a repeated macro": "M() * 2",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_reads_a_convolution_reads_its_values(body, both_backends):
    text = (
        "define M { Dense(4) Conv1D(4, 1) }\n"
        f"network N {{ input: (4, 4) layers: Conv1D(4, 1) {body}; Conv1D(4, 1) }}"
    )
    x = np.random.default_rng(0).standard_normal((2, 4, 4)).astype(np.float32)
    torch, keras = (nd.load(text, backend) for backend in both_backends)
    keras.runtime.load_weights(torch.weights())
    np.testing.assert_allclose(torch.run(x), keras.run(x), atol=1e-5)
