"""A live training: the emitted file's own `Training`, iterated step by step.

The backends differ only in how they choose a device and hand it to the emitted code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from neural_dsl.backends import create_runtime, runtime_module
from neural_dsl.backends.canonical import Array, Arrays, Float32
from neural_dsl.backends.live import Runtime
from neural_dsl.backends.memory import refuse_training_if_too_large
from neural_dsl.codegen.generate import CompiledModel
from neural_dsl.codegen.training import DEFAULT_BATCH_SIZE
from neural_dsl.diagnostics import refusal

FEW = 8  # validation examples that tell whether a model gives numbers
_NUMBERS = (bool, int, float)


class BaseTraining(ABC):
    """Wraps `module.Training`, so that what stands around it needs no framework.

    `tokens` counts what the training has read: token ids, or examples where the inputs
    are none. `speed_up` says what was done to the model to train faster, "" for nothing.
    `restores_best` says whether the script ends with the weights of its best validation,
    where early stopping asks for it; otherwise it ends with the last ones. `input_length`
    is the one length that the model reads, None where any length will do.
    """

    speed_up = ""

    def __init__(self, runtime: Runtime, seed: int, device: str):
        """Build the training of the runtime's module, for its model."""
        self.runtime, self.module, self.device = runtime, runtime.module, device
        module: Any = runtime.module
        self.total_steps = int(module.TOTAL_STEPS)
        inputs = runtime.network.inputs
        self.input_length = inputs[0].tensor.shape[0]
        self.tokens = 0
        batch = module.batch
        reads_ids = len(inputs) == 1 and inputs[0].tensor.dtype == "ids"

        def counted(seed: int, number: int) -> tuple[Any, Array]:
            x, y = batch(seed, number)
            self.tokens += x.size if reads_ids else len(y)
            return x, y

        module.batch = counted
        with self._scope():
            self.training = self._start(seed)
        self.restores_best = hasattr(self.training, "best_weights")

    @property
    def step(self) -> int:
        """Optimiser steps done so far."""
        return int(self.training.step)

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
        """Everything that the next steps depend on: model, optimizer, best weights, the
        framework's random numbers, and every plain number of the emitted `Training`."""
        numbers = {
            f"progress.{name}": np.array(value)
            for name, value in vars(self.training).items()
            if isinstance(value, _NUMBERS)
        }
        return {**self._arrays(), **numbers}

    def load_state(self, state: Arrays) -> None:
        """Go on where `state` was taken. Raises KeyError or ValueError for the state of
        another training."""
        with self._scope():
            self._load_arrays(dict(state))
        for name, value in vars(self.training).items():
            if isinstance(value, _NUMBERS):
                setattr(self.training, name, type(value)(state[f"progress.{name}"]))
        self._remember()

    def evaluate(self, split: str) -> dict[str, float]:
        """The emitted file's own measures of a split, and its size as `count`."""
        with self._scope():
            return measures_of(self.module, self.runtime.model, split)

    def logits(self, *inputs: Array) -> Float32:
        """The model's output for its inputs, in their order, without touching any state:
        (B, T, V) for token ids (B, T)."""
        return self.runtime.forward(inputs)

    def gives_numbers(self) -> bool:
        """Whether the model's output for a few validation examples is finite."""
        return bool(np.isfinite(self.logits(*self._few)).all())

    @cached_property
    def _few(self) -> tuple[Array, ...]:
        x, _ = self.module.held_out("validation")
        return tuple(part[:FEW] for part in (x if isinstance(x, tuple) else (x,)))

    def is_best(self) -> bool:
        """Whether the validation just done was the best so far, for early stopping."""
        return int(self.training.waited) == 0

    def restore_best(self) -> None:
        """Put back the weights that the script itself would end with."""
        if self.restores_best:
            self._restore(self.training.best_weights)
            self.runtime.weights_origin = "training, best step"

    def _remember(self) -> None:
        """Note in the runtime where its weights come from now."""
        self.runtime.weights_origin = f"training, step {self.step:,}"

    @abstractmethod
    def _start(self, seed: int) -> Any:
        """The emitted `Training`, ready to iterate."""

    def _scope(self) -> AbstractContextManager[Any]:
        """Where the device is chosen around every call into the emitted code."""
        return nullcontext()

    @staticmethod
    def placed(device: str) -> AbstractContextManager[Any]:
        """While this lasts, models are built where a training on this device needs them.
        By default on the CPU, where equal seeds give equal weights."""
        return nullcontext()

    @staticmethod
    @abstractmethod
    def count_gpus() -> int:
        """How many there are."""

    @abstractmethod
    def _arrays(self) -> dict[str, Array]:
        """Model, optimizers, best weights and random numbers, each by a name of its own
        that starts with "model.", "optimizer.", "best." or "rng."."""

    @abstractmethod
    def _load_arrays(self, arrays: dict[str, Array]) -> None:
        """Put back what `_arrays` gave."""

    @abstractmethod
    def _restore(self, weights: Any) -> None:
        """Give the model the weights that the emitted `Training` kept."""


def measures_of(module: ModuleType, model: Any, split: str) -> dict[str, float]:
    """What the emitted `evaluate` measures on a split, and its size as `count`."""
    measures: dict[str, float] = module.evaluate(model, split)
    return {**measures, "count": len(module.held_out(split)[1])}


def start_training(
    compiled: CompiledModel,
    seed: int,
    device: str | None = None,
    file: str | None = None,
    prepare: Callable[[ModuleType], None] = lambda module: None,
) -> BaseTraining:
    """Import the emitted file and build its model and training.

    `device`: "cpu", "cuda", "cuda:0", or "auto" or None for the best there is.
    `file` is where the emitted text stands; `prepare` tells the module where its data
    are. Weights and batches are those of `python train.py`. Raises NeuralError: NE152
    when there is no such device, NE108 when a step does not fit into memory, and as
    `create_runtime` does.
    """
    # Refuses a backend that is missing or broken, in its own words, before the import.
    holds = runtime_module(compiled.backend).LiveRuntime.holds
    module = import_module(f"neural_dsl.backends.{compiled.backend}.training")
    live: type[BaseTraining] = module.LiveTraining
    chosen = choose_device(device, live.count_gpus())
    batch = compiled.network.train.get("batch_size") or DEFAULT_BATCH_SIZE
    refuse_training_if_too_large(compiled.network, batch, chosen == "cpu", holds)
    with live.placed(chosen):
        runtime = create_runtime(compiled, seed, file)
    prepare(runtime.module)
    return live(runtime, seed, chosen)


def choose_device(wish: str | None, gpus: int) -> str:
    """The device that a wish means, "cuda" where it says auto and there are GPUs. Raises
    NeuralError NE152 for one that this machine or this framework lacks."""
    existing = ["cpu", *["cuda"] * (gpus > 0), *(f"cuda:{i}" for i in range(gpus))]
    name = (wish or "auto").lower().replace("gpu", "cuda")
    if name == "auto":
        return "cuda" if gpus else "cpu"
    if name in existing:
        return name
    listed = " and ".join(f"`{one}`" for one in existing)
    raise refusal(
        "NE152",
        f"there is no device `{wish}` here",
        # No training could be resumed bit for bit on Apple's.
        help="training runs on the CPU and on NVIDIA GPUs"
        if name == "mps"
        else f"this machine has {listed}; `--device auto` takes the best",
    )
