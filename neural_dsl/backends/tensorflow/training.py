"""Training on TensorFlow: devices, and the emitted `Training`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from neural_dsl.backends.canonical import Array
from neural_dsl.backends.tensorflow.runtime import LiveRuntime
from neural_dsl.backends.training import BaseTraining


class LiveTraining(BaseTraining):
    """The emitted Keras training, run where `tf.device` puts it."""

    def _start(self, seed: int) -> Any:
        module: Any = self.module
        return module.Training(self.runtime.model, seed=seed)

    def _arrays(self) -> dict[str, Array]:
        arrays = {k: np.array(v.numpy()) for k, v in self._variables().items()}
        if self.restores_best:
            best = enumerate(self.training.best_weights)
            arrays |= {f"best.{i}": array for i, array in best}
        return arrays

    def _load_arrays(self, arrays: dict[str, Array]) -> None:
        for name, variable in self._variables().items():
            variable.assign(arrays[name])
        if self.restores_best:
            count = len(self.training.best_weights)
            self.training.best_weights = [arrays[f"best.{i}"] for i in range(count)]

    def _variables(self) -> dict[str, keras.Variable]:
        """Everything that training changes: weights and the random states of dropout, the
        optimizer's moments, and random numbers of the emitted `Training` itself."""
        training = self.training
        found = {f"model.{i}": v for i, v in enumerate(training.model.variables)}
        moments = enumerate(training.optimizer.variables)
        found |= {f"optimizer.{i}": v for i, v in moments}
        own = vars(training).items()
        generators = {k: v for k, v in own if isinstance(v, keras.random.SeedGenerator)}
        return found | {f"rng.{k}": v.state for k, v in generators.items()}

    def _restore(self, weights: Any) -> None:
        self.runtime.model.set_weights(weights)

    def _scope(self) -> AbstractContextManager[Any]:
        return tf.device(_place(self.device))  # type: ignore[no-any-return]

    @staticmethod
    @contextmanager
    def placed(device: str) -> Iterator[None]:
        """See `BaseTraining`. Variables stay where they are made: on the device."""
        before = LiveRuntime.device
        LiveRuntime.device = _place(device)
        try:
            yield
        finally:
            LiveRuntime.device = before

    @staticmethod
    def count_gpus() -> int:
        """See `BaseTraining`."""
        return len(tf.config.list_physical_devices("GPU"))


def _place(device: str) -> str:
    """TensorFlow's name: "cuda:1" -> "GPU:1"."""
    name, _, number = device.partition(":")
    return f"{'GPU' if name == 'cuda' else name.upper()}:{number or 0}"
