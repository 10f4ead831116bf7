"""Live PyTorch models: built from an emitted file, or not emitted by us."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from neural_dsl.backends import memory
from neural_dsl.backends.canonical import Array, Float32
from neural_dsl.backends.live import Runtime, Watched
from neural_dsl.backends.pytorch.capture import DeviceScores, watch
from neural_dsl.diagnostics import refusal

array = DeviceScores.array


class LiveRuntime(Runtime):
    """The `Runtime` of the pytorch backend; runs on the CPU, in float32."""

    name = "pytorch"
    holds = staticmethod(memory.fused)
    array = staticmethod(array)
    model: nn.Module

    def _build(self, seed: int) -> None:
        # The caller's own random state is left as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = getattr(self.module, self.compiled.entry)().eval()

    def find(self, path: str) -> Tensor:
        """See `Runtime`: a parameter or a buffer."""
        owner, _, leaf = path.rpartition(".")
        tensor = getattr(self.model.get_submodule(owner), leaf)
        if not isinstance(tensor, Tensor):
            raise TypeError(f"`{path}` is a {type(tensor).__name__}, not a tensor")
        return tensor

    @torch.no_grad()
    def _write(self, path: str, values: Float32) -> None:
        self.find(path).copy_(tensor(values))

    @torch.inference_mode()
    def forward(self, arrays: Sequence[Array]) -> Float32:
        """See `Runtime`."""
        place, model = device_of(self.model), self.model.eval()
        return array(model(*(tensor(each).to(place) for each in arrays)))

    watch = watch


class ForeignModel(Watched):
    """A live module that we did not emit, in the mode that it is in, on its device."""

    name = "pytorch"
    model: nn.Module

    def __init__(self, model: nn.Module):
        """Raises NeuralError NE111 where PyTorch itself cannot watch a part of it."""
        if any(isinstance(each, torch.jit.ScriptModule) for each in model.modules()):
            message = "no attention of a scripted or traced model can be seen"
            raise refusal("NE111", message, help="give the module as it was before")
        self.model = model

    watch = watch

    @property
    def training(self) -> bool:
        """Whether running it is random and may change it."""
        return self.model.training

    def parameters(self) -> list[str]:
        """The names of the arguments of its call."""
        # What torch.compile makes of a module takes whatever that one takes.
        model = getattr(self.model, "_orig_mod", self.model)
        return list(inspect.signature(model.forward).parameters)

    @torch.no_grad()
    def run(self, inputs: Mapping[str, Any]) -> tuple[Float32, ...]:
        """Its output for arguments by name, arrays among them as tensors: every tensor of
        floats in it, in order."""
        place = device_of(self.model)
        given = {
            name: tensor(value).to(place) if isinstance(value, np.ndarray) else value
            for name, value in inputs.items()
        }
        leaves = tree_leaves(self.model(**given))
        tensors = (leaf for leaf in leaves if isinstance(leaf, Tensor))
        return tuple(array(each) for each in tensors if each.is_floating_point())


def device_of(model: nn.Module) -> torch.device:
    """Where it is; training moves it."""
    return next(model.parameters(), torch.empty(0)).device


def tensor(values: Array) -> Tensor:
    """A copy: a caller's array may be read-only, which tensors cannot be."""
    return torch.from_numpy(np.array(values))
