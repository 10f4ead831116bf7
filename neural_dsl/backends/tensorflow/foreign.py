"""A Keras model that we did not emit, run as it is."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from neural_dsl.backends.live import Watched
from neural_dsl.backends.quiet import one_key_is_fine
from neural_dsl.backends.tensorflow import capture
from neural_dsl.backends.tensorflow.scores import array


class ForeignModel(Watched):
    """A live model; it runs eagerly, in evaluation."""

    name = "tensorflow"
    model: keras.Model
    _watching = staticmethod(capture.watching)
    training = False

    def __init__(self, model: keras.Model):
        self.model = model

    def parameters(self) -> list[str]:
        """The names of the arguments of its call."""
        return list(inspect.signature(self.model.call).parameters)

    def run(self, inputs: Mapping[str, Any]) -> tuple[Any, ...]:
        """Its output for arguments by name, of which `inputs` may be a list or a dict:
        every tensor of floats in it, in order, as NumPy."""
        with one_key_is_fine():
            leaves = keras.tree.flatten(self.model(**inputs, training=False))
        tensors = (leaf for leaf in leaves if tf.is_tensor(leaf))
        return tuple(array(each) for each in tensors if each.dtype.is_floating)
