"""An unmasked sequence joined in time with a masked one: all of its positions count."""

from __future__ import annotations

import numpy as np
import pytest

import neural_dsl as nd
from neural_dsl.backends import create_runtime

FIRST_INPUTS = {
    "(3, 4)": "Dense(4)",
    "(12,)": "Reshape((3, 4))",
    "(3, 2, 2)": "Reshape((3, 4))",
    "(None, 4)": "GlobalAveragePooling1D() Dense(12) Reshape((3, 4))",
}
"""Float inputs of every rank, as the first one, and what makes a sequence of them."""


@pytest.mark.parametrize("shape", FIRST_INPUTS)
def test_padding_beside_an_unmasked_sequence_changes_nothing(
    shape: str, both_backends: tuple[str, str]
) -> None:
    text = f"""network N {{
      input: {{features: {shape}, words: (None,)}}
      layers:
        features: {{ {FIRST_INPUTS[shape]} }}
        words: {{ Embedding(9, 4, mask_zero=true) }}
        Concatenate(axis=1) TransformerEncoder(2, 8) GlobalAveragePooling1D() Output(3)
    }}"""
    one, other = (create_runtime(nd.compile(text, b)) for b in both_backends)
    other.load_weights(one.weights())
    sizes = [5 if n is None else n for n in one.network.inputs[0].tensor.shape]
    features = np.random.default_rng(0).normal(size=(2, *sizes)).astype("float32")
    words = np.array([[1, 2], [3, 4]])
    padded = np.pad(words, ((0, 0), (0, 3)))
    expected = one.run({"features": features, "words": words})
    for runtime in (one, other):
        found = runtime.run({"features": features, "words": padded})
        np.testing.assert_allclose(found, expected, atol=1e-5)
