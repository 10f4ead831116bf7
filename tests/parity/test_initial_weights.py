"""The first softmax is not saturated at the start.

That all layers start alike on both backends is tested in test_layers.py.
"""

from __future__ import annotations

import pytest

import neural_dsl as nd
from neural_dsl.backends import create_runtime

MODEL = "network N { input: (40,) layers: Embedding(500, 128) TransformerEncoder(4) }"


def test_embeddings_are_small_enough_not_to_saturate_the_first_softmax(backend) -> None:
    weights = create_runtime(nd.compile(MODEL, backend), seed=0).weights()
    assert weights["embedding.weight"].std() == pytest.approx(0.02, rel=0.05)
