"""A live PyTorch model, built from the emitted file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from neural_dsl.backends import memory
from neural_dsl.backends.base import Place
from neural_dsl.backends.live import Runtime
from neural_dsl.backends.pytorch import capture
from neural_dsl.backends.pytorch.weights import find

Float32 = npt.NDArray[np.float32]


class LiveRuntime(Runtime):
    """The `Runtime` of the pytorch backend; runs on the CPU, in float32."""

    name = "pytorch"
    holds = staticmethod(memory.fused)
    _watching = staticmethod(capture.watching)
    model: nn.Module

    def _build(self, seed: int) -> None:
        # The caller's own random state is left as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = getattr(self.module, self.compiled.entry)().eval()

    def _read(self, place: Place) -> Float32:
        found = find(self.model, place).detach().to("cpu", torch.float32)
        return found.numpy()

    @torch.no_grad()
    def _write(self, place: Place, array: Float32) -> None:
        find(self.model, place).copy_(_tensor(array))

    @torch.inference_mode()
    def _forward(self, arrays: Sequence[npt.NDArray[np.generic]]) -> Float32:
        # Training moves it.
        device = next(self.model.parameters(), torch.empty(0)).device
        output: torch.Tensor = self.model(*(_tensor(a).to(device) for a in arrays))
        return output.float().cpu().numpy()


def _tensor(array: npt.NDArray[np.generic]) -> torch.Tensor:
    # A copy: a caller's array may be read-only, which tensors cannot be.
    return torch.from_numpy(np.array(array))
