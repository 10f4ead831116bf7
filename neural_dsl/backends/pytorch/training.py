"""Training on PyTorch: devices, and the emitted `Training`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neural_dsl.backends.pytorch.convolved import convolve
from neural_dsl.backends.training import BaseTraining, no_such_device


class LiveTraining(BaseTraining):
    """The emitted PyTorch training; it moves the model to the device itself."""

    def _start(self, seed: int) -> Any:
        model = self.runtime.model
        if self.device == "cpu" and convolve(model):
            self.speed_up = "large products are computed as convolutions, by oneDNN"
        return self.module.Training(model, seed=seed, device=self.device)

    def _arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        found = {f"model.{k}": v for k, v in self.runtime.model.state_dict().items()}
        for which, optimizer in enumerate(self._optimizers()):
            for number, slots in optimizer.state_dict()["state"].items():
                found |= {
                    f"optimizer.{which}.{number}.{k}": v for k, v in slots.items()
                }
        if self.restores_best:
            found |= {f"best.{k}": v for k, v in self.training.best_weights.items()}
        found["rng.torch"] = torch.get_rng_state()
        if self.device != "cpu":
            found["rng.cuda"] = torch.cuda.get_rng_state(self.device)
        return {k: torch.as_tensor(v).cpu().numpy().copy() for k, v in found.items()}

    def _load_arrays(self, arrays: dict[str, npt.NDArray[np.generic]]) -> None:
        tensors = {k: torch.from_numpy(np.array(v)) for k, v in arrays.items()}
        self.runtime.model.load_state_dict(_below("model.", tensors))
        if self.restores_best:
            self.training.best_weights = {
                name: tensor.to(self.device)
                for name, tensor in _below("best.", tensors).items()
            }
        for which, optimizer in enumerate(self._optimizers()):
            slots: dict[int, dict[str, torch.Tensor]] = {}
            for key, tensor in _below(f"optimizer.{which}.", tensors).items():
                number, name = key.split(".", 1)
                slots.setdefault(int(number), {})[name] = tensor
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": slots, "param_groups": groups})
        torch.set_rng_state(tensors["rng.torch"])
        if self.device != "cpu":
            torch.cuda.set_rng_state(tensors["rng.cuda"], self.device)

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        """Muon takes matrices alone, so there are two of them then."""
        several = getattr(self.training, "optimizers", None)
        return list(several) if several else [self.training.optimizer]

    def _restore(self, weights: Any) -> None:
        self.runtime.model.load_state_dict(weights)

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


def _below(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose names start with a prefix, without it."""
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
