"""A live PyTorch model, built from the emitted file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from neural_dsl.backends import memory
from neural_dsl.backends.base import Visit, Watcher
from neural_dsl.backends.gates import Gates
from neural_dsl.backends.live import BaseRuntime
from neural_dsl.backends.pytorch import capture, weights

Float32 = npt.NDArray[np.float32]


class LiveRuntime(BaseRuntime):
    """The `Runtime` of the pytorch backend; runs on the CPU, in float32."""

    name = "pytorch"
    holds = staticmethod(memory.fused)
    model: nn.Module

    def _build(self, seed: int) -> None:
        # The caller's own random state is left as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = getattr(self.module, self.compiled.entry)().eval()

    def _read(self) -> Iterator[Float32]:
        return weights.read(self.model, self._weight_places())

    def _write(self, arrays: Sequence[Float32]) -> None:
        weights.write(self.model, self._weight_places(), arrays)

    @torch.inference_mode()
    def _forward(self, arrays: Sequence[npt.NDArray[np.generic]]) -> Float32:
        place = next(
            self.model.parameters(), torch.empty(0)
        ).device  # training moves it
        output: torch.Tensor = self.model(*(_tensor(a).to(place) for a in arrays))
        return output.float().cpu().numpy()

    @contextmanager
    def watching(
        self,
        visit: Visit | None = None,
        wanted: Collection[str] | None = None,
        gates: Gates | None = None,
    ) -> Iterator[Watcher]:
        """See `Runtime`."""
        with capture.watching(self.model, visit, wanted, gates) as watcher:
            yield watcher


def _tensor(array: npt.NDArray[np.generic]) -> torch.Tensor:
    # A copy: a caller's array may be read-only, which tensors cannot be.
    return torch.from_numpy(np.array(array))
