"""A live Keras model on TensorFlow, built from the emitted file."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from neural_dsl.backends import memory
from neural_dsl.backends.base import Place, Visit, Watcher
from neural_dsl.backends.gates import Gates
from neural_dsl.backends.live import Runtime
from neural_dsl.backends.quiet import one_key_is_fine
from neural_dsl.backends.tensorflow import capture
from neural_dsl.backends.tensorflow.weights import find
from neural_dsl.diagnostics import refusal

Float32 = npt.NDArray[np.float32]


class LiveRuntime(Runtime):
    """The `Runtime` of the tensorflow backend; runs eagerly on the CPU, in float32."""

    name = "tensorflow"
    device = "CPU:0"  # training may build the model elsewhere
    holds = staticmethod(memory.eager)
    model: keras.Model

    def _build(self, seed: int) -> None:
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

    def _read(self, place: Place) -> Float32:
        found: Float32 = find(self.model, place).value.numpy()
        return found

    def _write(self, place: Place, array: Float32) -> None:
        find(self.model, place).assign(array)

    def _forward(self, arrays: Sequence[npt.NDArray[np.generic]]) -> Float32:
        with tf.device(self.device), one_key_is_fine():
            tensors = [tf.constant(array) for array in arrays]
            inputs = tensors[0] if len(tensors) == 1 else tensors
            output = self.model(inputs, training=False)
        return np.array(output, dtype=np.float32)

    @contextmanager
    def watching(
        self,
        visit: Visit | None = None,
        wanted: Collection[str] | None = None,
        gates: Gates | None = None,
    ) -> Iterator[Watcher]:
        """See `Watched`."""
        with tf.device(self.device), one_key_is_fine():
            watched = capture.watching(self.model, visit, wanted, gates, self.module)
            with watched as watcher:
                yield watcher
