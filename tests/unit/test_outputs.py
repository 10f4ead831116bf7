"""The activation of `Output`, against PyTorch's and Keras' own functions."""

import numpy as np
import pytest

from neural_dsl.catalogue.activations import ACTIVATIONS
from neural_dsl.outputs import FUNCTIONS, shown

LOGITS = np.concatenate([np.linspace(-8, 8, 33), [-90.0, 90.0]]).astype(np.float32)


def test_every_activation_of_the_catalogue_can_be_shown():
    assert set(FUNCTIONS) == set(ACTIVATIONS)


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_those_of_keras(name):
    import keras

    values = (
        LOGITS[:-2].reshape(1, 33) if name == "exponential" else LOGITS.reshape(1, 35)
    )
    function = getattr(keras.activations, name)
    if name == "gelu":
        expected = function(values, approximate=False)
    else:
        expected = function(values)
    expected = keras.ops.convert_to_numpy(expected)
    result = shown(values, name)
    assert result.dtype == np.float32 and result.shape == values.shape
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=3e-6)
