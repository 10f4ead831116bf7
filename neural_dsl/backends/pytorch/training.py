"""Training on PyTorch: devices, the emitted `Training`, and how a CPU multiplies fastest:
products as convolutions, around it."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neural_dsl.backends.canonical import Array
from neural_dsl.backends.pytorch.runtime import tensor
from neural_dsl.backends.training import BaseTraining

WORTH_IT = 1024
"""Rows from which a convolution gains."""


class LiveTraining(BaseTraining):
    """The emitted PyTorch training; it moves the model to the device itself."""

    def _start(self, seed: int) -> Any:
        model = self.runtime.model
        if self.device == "cpu" and convolve(model):
            self.speed_up = "large products are computed as convolutions, by oneDNN"
        training: Any = self.module
        training = training.Training(model, seed=seed, device=self.device)
        # Muon takes matrices alone, so there are two optimizers then.
        self.optimizers = getattr(training, "optimizers", None) or [training.optimizer]
        return training

    def _arrays(self) -> dict[str, Array]:
        found = {f"model.{k}": v for k, v in self.runtime.model.state_dict().items()}
        for which, optimizer in enumerate(self.optimizers):
            for number, slots in optimizer.state_dict()["state"].items():
                prefix = f"optimizer.{which}.{number}"
                found |= {f"{prefix}.{k}": v for k, v in slots.items()}
        if self.restores_best:
            found |= {f"best.{k}": v for k, v in self.training.best_weights.items()}
        found["rng.torch"] = torch.get_rng_state()
        if self.device != "cpu":
            found["rng.cuda"] = torch.cuda.get_rng_state(self.device)
        return {k: torch.as_tensor(v).cpu().numpy().copy() for k, v in found.items()}

    def _load_arrays(self, arrays: dict[str, Array]) -> None:
        tensors = {name: tensor(array) for name, array in arrays.items()}

        def below(prefix: str) -> dict[str, Tensor]:
            """The tensors whose names start with it, without it."""
            found = [name for name in tensors if name.startswith(prefix)]
            return {name[len(prefix) :]: tensors[name] for name in found}

        self.runtime.model.load_state_dict(below("model."))
        if self.restores_best:
            best = {k: v.to(self.device) for k, v in below("best.").items()}
            self.training.best_weights = best
        for which, optimizer in enumerate(self.optimizers):
            slots: dict[int, dict[str, Tensor]] = {}
            for key, value in below(f"optimizer.{which}.").items():
                number, name = key.split(".", 1)
                slots.setdefault(int(number), {})[name] = value
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": slots, "param_groups": groups})
        torch.set_rng_state(tensors["rng.torch"])
        if self.device != "cpu":
            torch.cuda.set_rng_state(tensors["rng.cuda"], self.device)

    def _restore(self, weights: Any) -> None:
        self.runtime.model.load_state_dict(weights)

    @staticmethod
    def count_gpus() -> int:
        """See `BaseTraining`."""
        return torch.cuda.device_count() if torch.cuda.is_available() else 0


class ConvolvedLinear(nn.Linear):
    """nn.Linear as a convolution of width 1: same weights, same result up to rounding."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, in_features) to (B, T, out_features); other ranks are multiplied."""
        if x.dim() != 3 or x.shape[0] * x.shape[1] < WORTH_IT:
            return super().forward(x)
        image = x.mT.unsqueeze(2)  # (B, C, 1, T), channels last: it is read in place
        return F.conv2d(image, self.weight[:, :, None, None], self.bias).squeeze(2).mT


def convolve(model: nn.Module) -> bool:
    """Let a model multiply by convolving where that is up to twice as fast: on AMD
    processors with AVX-512. There MKL, which multiplies matrices, makes do with AVX2;
    oneDNN, which convolves, uses AVX-512. Says whether it does."""
    tell = getattr(torch.cpu, "get_capabilities", dict)  # older ones do not
    known: dict[str, Any] = tell()
    if "AMD" not in known.get("cpu_name", "") or not known.get("avx512_f"):
        return False
    for layer in model.modules():
        if type(layer) is nn.Linear:
            layer.__class__ = ConvolvedLinear
    return True
