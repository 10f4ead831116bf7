"""Training on PyTorch: devices, and the emitted `Training`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neural_dsl.backends.training import BaseTraining, no_such_device


class LiveTraining(BaseTraining):
    """The emitted PyTorch training; it moves the model to the device itself."""

    def _start(self, seed: int) -> Any:
        model = self.runtime.model
        return self.module.Training(model, self.task, seed=seed, device=self.device)

    def _scope(self) -> AbstractContextManager[Any]:
        return nullcontext()

    @torch.inference_mode()
    def logits(self, *inputs: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """The model's output, without dropout."""
        model = self.runtime.model.eval()
        tensors = (torch.from_numpy(np.array(each)).to(self.device) for each in inputs)
        output: torch.Tensor = model(*tensors)
        return output.float().cpu().numpy()


def choose_device(wish: str | None) -> str:
    """The device that a wish means, "cuda" where it says auto and there is one."""
    existing = ["cpu"]
    if torch.cuda.is_available():
        existing += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    name = (wish or "auto").lower().replace("gpu", "cuda")
    if name == "auto":
        return "cuda" if "cuda" in existing else "cpu"
    if name == "mps":  # no training could be resumed bit for bit on it
        raise no_such_device(
            name, existing, "training runs on the CPU and on NVIDIA GPUs"
        )
    if name not in existing:
        raise no_such_device(wish or "", existing)
    return name


def placed(device: str) -> AbstractContextManager[Any]:
    """Models are built on the CPU, where equal seeds give equal weights."""
    return nullcontext()
