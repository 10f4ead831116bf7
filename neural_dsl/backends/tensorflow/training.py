"""Training on TensorFlow: devices, and the emitted `Training`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from neural_dsl.backends.quiet import one_key_is_fine
from neural_dsl.backends.tensorflow.runtime import LiveRuntime
from neural_dsl.backends.training import BaseTraining, no_such_device


class LiveTraining(BaseTraining):
    """The emitted Keras training, run where `tf.device` puts it."""

    def _start(self, seed: int) -> Any:
        return self.module.Training(self.runtime.model, seed=seed)

    def _arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        arrays = {k: np.array(v.numpy()) for k, v in self._variables().items()}
        if self.restores_best:
            best = enumerate(self.training.best_weights)
            arrays |= {f"best.{i}": array for i, array in best}
        return arrays

    def _load_arrays(self, arrays: dict[str, npt.NDArray[np.generic]]) -> None:
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

    def logits(self, *inputs: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """The model's output, without dropout."""
        model = self.runtime.model
        with self._scope(), one_key_is_fine():
            tensors = [tf.constant(each) for each in inputs]
            given = tensors if len(tensors) > 1 else tensors[0]
            output = model(given, training=False)
        return np.array(output, dtype=np.float32)


def choose_device(wish: str | None) -> str:
    """The device that a wish means, "cuda" where it says auto and there is a GPU."""
    count = len(tf.config.list_physical_devices("GPU"))
    existing = ["cpu"]
    if count:
        existing += ["cuda", *(f"cuda:{i}" for i in range(count))]
    name = (wish or "auto").lower().replace("gpu", "cuda")
    if name == "auto":
        return "cuda" if count else "cpu"
    if name not in existing:
        raise no_such_device(wish or "", existing)
    return name


@contextmanager
def placed(device: str) -> Iterator[None]:
    """Variables stay where they are made: build the model on the device."""
    before = LiveRuntime.device
    LiveRuntime.device = _place(device)
    try:
        yield
    finally:
        LiveRuntime.device = before


def _place(device: str) -> str:
    """TensorFlow's name: "cuda:1" -> "GPU:1"."""
    name, _, number = device.partition(":")
    return f"{'GPU' if name == 'cuda' else name.upper()}:{number or 0}"
