"""A live training: the emitted file's own `Training`, iterated step by step.

The backends differ only in how they choose a device and hand it to the emitted code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl.backends import create_runtime
from neural_dsl.backends.base import Arrays
from neural_dsl.backends.live import BaseRuntime
from neural_dsl.codegen.generate import CompiledModel
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.graph.nodes import Network

Array = npt.NDArray[np.generic]
Float32 = npt.NDArray[np.float32]
MakeTask = Callable[[ModuleType], Any]


class BaseTraining(ABC):
    """Wraps `module.Training`, so that what stands around it needs no framework."""

    runtime: Any  # a BaseRuntime, with its backend's `model`

    def __init__(
        self, runtime: BaseRuntime, make_task: MakeTask, seed: int, device: str
    ):
        """Build the task and the training of the runtime's module, for its model."""
        self.runtime = runtime
        self.module = runtime.module
        self.device = device
        self.task = make_task(self.module)
        with self._scope():
            self.training = self._start(seed)

    @property
    def step(self) -> int:
        """Optimiser steps done so far."""
        return int(self.training.step)

    @property
    def total_steps(self) -> int:
        """Steps of the whole training, unless it stops early."""
        return int(self.module.TOTAL_STEPS)

    @property
    def validate_every(self) -> int:
        """Steps between two validations."""
        return int(self.module.VALIDATE_EVERY)

    @property
    def input_length(self) -> int | None:
        """The one length that the model reads, None where any length will do."""
        network: Network = self.runtime.compiled.network
        return network.inputs[0].tensor.shape[0]

    def steps(self) -> Iterator[Any]:
        """The emitted generator, on the right device; each `Step` as it yields it."""
        steps = iter(self.training)
        while True:
            with self._scope():
                step = next(steps, None)
            if step is None:
                return
            self._remember()
            yield step

    def state(self) -> dict[str, Array]:
        """Everything that the next steps depend on."""
        state: dict[str, Array] = self.training.state()
        return state

    def load_state(self, state: Arrays) -> None:
        """Go on where `state` was taken."""
        with self._scope():
            self.training.load_state(dict(state))
        self._remember()

    def evaluate(self, split: str) -> dict[str, float]:
        """The emitted file's own measures of a split."""
        with self._scope():
            measured: dict[str, float] = self.module.evaluate(
                self.runtime.model,
                self.task,
                split,
            )
        return measured

    def gives_numbers(self) -> bool:
        """Whether the model's output for a few validation examples is finite."""
        few = np.arange(min(8, self.task.size("validation")))
        x, _ = self.task.batch("validation", few)
        output = self.logits(*(x if isinstance(x, tuple) else (x,)))
        return bool(np.isfinite(output).all())

    @property
    def restores_best(self) -> bool:
        """Whether the script ends with the weights of its best validation: where early
        stopping asks for it. Otherwise it ends with the last ones."""
        return hasattr(self.training, "best_weights")

    def is_best(self) -> bool:
        """Whether the validation just done was the best so far, for early stopping."""
        return int(self.training.waited) == 0

    def restore_best(self) -> None:
        """Put back the weights that the script itself would end with."""
        if self.restores_best:
            self.training.restore_best_weights()
            self.runtime.weights_origin = "training, best step"

    def _remember(self) -> None:
        """Note in the runtime where its weights come from now."""
        self.runtime.weights_origin = f"training, step {self.step:,}"

    @abstractmethod
    def _start(self, seed: int) -> Any:
        """The emitted `Training`, ready to iterate."""

    @abstractmethod
    def _scope(self) -> AbstractContextManager[Any]:
        """Where the device is chosen around every call into the emitted code."""

    @abstractmethod
    def logits(self, *inputs: Array) -> Float32:
        """The model's output for its inputs, in their order, without touching any state:
        (B, T, V) for token ids (B, T)."""


def start_training(
    compiled: CompiledModel,
    make_task: MakeTask,
    seed: int,
    device: str | None = None,
    file: str | None = None,
) -> BaseTraining:
    """Import the emitted file and build its model, task and training.

    `device`: "cpu", "cuda", "cuda:0", or "auto" or None for the best there is.
    `file` is where the emitted text stands. Weights and batches are those of
    `python train.py`. Raises NeuralError: NE152 when there is no such device, and as
    `create_runtime` does.
    """
    backend = _backend_module(compiled.backend)
    chosen = backend.choose_device(device)
    with backend.placed(chosen):
        runtime = create_runtime(compiled, seed, file)
    training: BaseTraining = backend.LiveTraining(runtime, make_task, seed, chosen)
    return training


def _backend_module(backend: str) -> Any:
    # Refuses a backend that is missing or broken, in its own words, before the import.
    from neural_dsl.backends import runtime_module

    runtime_module(backend)
    return import_module(f"neural_dsl.backends.{backend}.training")


def no_such_device(wish: str, existing: list[str], help: str = "") -> NeuralError:
    """NE152: the error for a device that this machine or this framework lacks."""
    listed = " and ".join(f"`{name}`" for name in existing)
    return NeuralError(
        Diagnostic(
            "NE152",
            f"there is no device `{wish}` here",
            help=help or f"this machine has {listed}; `--device auto` takes the best",
        )
    )
