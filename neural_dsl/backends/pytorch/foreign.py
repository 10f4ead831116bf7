"""A PyTorch module that we did not emit, run as it is."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from neural_dsl.backends.live import Watched
from neural_dsl.backends.pytorch import capture
from neural_dsl.backends.pytorch.scores import array
from neural_dsl.diagnostics import refusal


class ForeignModel(Watched):
    """A live module, in the mode that it is in, on the device where it is."""

    name = "pytorch"
    model: torch.nn.Module
    _watching = staticmethod(capture.watching)

    def __init__(self, model: torch.nn.Module):
        """Raises NeuralError NE111 where PyTorch itself cannot watch a part of it."""
        if any(isinstance(each, torch.jit.ScriptModule) for each in model.modules()):
            message = "no attention of a scripted or traced model can be seen"
            raise refusal("NE111", message, help="give the module as it was before")
        self.model = model

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
    def run(self, inputs: Mapping[str, Any]) -> tuple[Any, ...]:
        """Its output for arguments by name, arrays among them as tensors: every tensor of
        floats in it, in order, as NumPy."""
        place = next(self.model.parameters(), torch.empty(0)).device
        given = {
            name: torch.from_numpy(np.array(value)).to(place)
            if isinstance(value, np.ndarray)
            else value
            for name, value in inputs.items()
        }
        leaves = tree_leaves(self.model(**given))
        tensors = (leaf for leaf in leaves if isinstance(leaf, torch.Tensor))
        return tuple(array(each) for each in tensors if each.is_floating_point())
