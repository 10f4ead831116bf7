"""Both backends start a model from the same distributions."""

from __future__ import annotations

import numpy as np
import pytest

from neural_dsl.backends import available, create_runtime
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.compiler import compile_text

pytestmark = pytest.mark.skipif(len(available()) < 2, reason="needs both backends")

MODEL = """network N {
  input: (40,)
  layers:
    Embedding(500, 128)
    PositionalEncoding(encoding_type="learned")
    TransformerEncoder(4, 256)
    Conv1D(64, 5)
    BatchNormalization()
    Flatten()
    Dense(50)
    Output(20)
}"""


def test_initial_weights_have_the_same_distribution_on_both_backends() -> None:
    one, other = (
        create_runtime(compile_text(MODEL, backend), seed=0).weights()
        for backend in BACKENDS
    )
    assert one.keys() == other.keys()
    for name, mine in one.items():
        theirs = other[name]
        # Four standard errors of a standard deviation, estimated on both sides.
        tolerance = 4 * mine.std() / np.sqrt(mine.size)
        assert abs(mine.std() - theirs.std()) <= tolerance, name
        assert abs(mine.mean() - theirs.mean()) <= 2 * tolerance + 1e-7, name


def test_embeddings_are_small_enough_not_to_saturate_the_first_softmax() -> None:
    for backend in BACKENDS:
        weights = create_runtime(compile_text(MODEL, backend), seed=0).weights()
        assert weights["embedding.weight"].std() == pytest.approx(0.02, rel=0.05)
