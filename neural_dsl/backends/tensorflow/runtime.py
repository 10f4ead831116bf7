"""Live Keras models on TensorFlow: built from an emitted file, or not emitted by us."""

from __future__ import annotations

import inspect
import random
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from neural_dsl.backends import memory
from neural_dsl.backends.canonical import Array, Float32
from neural_dsl.backends.live import Runtime, Watched
from neural_dsl.backends.quiet import one_key_is_fine
from neural_dsl.backends.tensorflow.capture import DeviceScores, find_layer, watch
from neural_dsl.diagnostics import refusal

array = DeviceScores.array


class LiveRuntime(Runtime):
    """The `Runtime` of the tensorflow backend; runs eagerly in float32, on the device
    where it was built."""

    name = "tensorflow"
    device = "CPU:0"
    holds = staticmethod(memory.eager)
    array = staticmethod(array)
    model: keras.Model
    watch = watch

    def _build(self, seed: int) -> None:
        self.device = type(self).device  # training may build it elsewhere
        if keras.backend.backend() != "tensorflow":
            raise refusal(
                "NE102",
                "Keras was imported with the backend "
                f"{keras.backend.backend()}, and cannot change it",
                help="set KERAS_BACKEND=tensorflow before Keras is imported",
            )
        # Keras seeds Python, NumPy and TensorFlow; the first two are put back after.
        python_state, numpy_state = random.getstate(), np.random.get_state()
        try:
            keras.utils.set_random_seed(seed)
            with tf.device(self.device), one_key_is_fine():
                self.model = getattr(self.module, self.compiled.entry)()
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)

    def find(self, path: str) -> keras.Variable:
        """See `Runtime`."""
        variable = find_layer(self.model, path)
        if not isinstance(variable, keras.Variable):
            raise TypeError(f"`{path}` is a {type(variable).__name__}, not a variable")
        return variable

    def _write(self, path: str, values: Float32) -> None:
        self.find(path).assign(values)

    def forward(self, arrays: Sequence[Array]) -> Float32:
        """See `Runtime`."""
        with tf.device(self.device), one_key_is_fine():
            tensors = [tf.constant(each) for each in arrays]
            given = tensors[0] if len(tensors) == 1 else tensors
            return np.array(self.model(given, training=False), dtype=np.float32)


class ForeignModel(Watched):
    """A live model that we did not emit; it runs eagerly, in evaluation."""

    name = "tensorflow"
    model: keras.Model
    module = device = None
    training = False
    watch = watch

    def __init__(self, model: keras.Model):
        self.model = model

    def parameters(self) -> list[str]:
        """The names of the arguments of its call."""
        return list(inspect.signature(self.model.call).parameters)

    def run(self, inputs: Mapping[str, Any]) -> tuple[Float32, ...]:
        """Its output for arguments by name, of which `inputs` may be a list or a dict:
        every tensor of floats in it, in order."""
        with one_key_is_fine():
            leaves = keras.tree.flatten(self.model(**inputs, training=False))
        tensors = (leaf for leaf in leaves if tf.is_tensor(leaf))
        return tuple(array(each) for each in tensors if each.dtype.is_floating)
