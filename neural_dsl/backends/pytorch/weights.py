"""Canonical weights of a PyTorch model, by the catalogue's table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neural_dsl.backends.base import Place

Float32 = npt.NDArray[np.float32]
BACKEND = "pytorch"


def read(model: nn.Module, places: Iterable[Place]) -> Iterator[Float32]:
    """The weights at these places, canonical, as float32 on the CPU."""
    for place in places:
        tensor = find(model, place).detach().to("cpu", torch.float32)
        yield tensor.numpy().transpose(place.weight.array.order(BACKEND))


def write(model: nn.Module, places: Iterable[Place], arrays: Sequence[Float32]) -> None:
    """Copy the canonical arrays into the weights at these places, in order."""
    with torch.no_grad():
        for place, array in zip(places, arrays, strict=True):
            own = array.transpose(place.weight.array.order_back(BACKEND))
            find(model, place).copy_(torch.from_numpy(np.array(own)))


def find(model: nn.Module, place: Place) -> Tensor:
    """The parameter or buffer that stands there."""
    path = f"{place.layer}.{place.weight.place(BACKEND)}"
    owner, _, leaf = path.rpartition(".")
    tensor = getattr(model.get_submodule(owner), leaf)
    if not isinstance(tensor, Tensor):
        raise TypeError(f"`{path}` is a {type(tensor).__name__}, not a tensor")
    return tensor
