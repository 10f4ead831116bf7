"""Canonical weights of a PyTorch model: its own names and layouts, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Float32 = npt.NDArray[np.float32]
Place = tuple[str, str]


def read(model: nn.Module, places: Iterable[Place]) -> Iterator[Float32]:
    """The weights at (path of the layer, name below it), as float32 on the CPU."""
    for path, name in places:
        tensor = _find(model, path, name)
        yield tensor.detach().to("cpu", torch.float32).numpy()


def write(model: nn.Module, places: Iterable[Place], arrays: Sequence[Float32]) -> None:
    """Copy the arrays into the weights at these places, in order."""
    with torch.no_grad():
        for (path, name), array in zip(places, arrays, strict=True):
            _find(model, path, name).copy_(torch.from_numpy(np.array(array)))


def _find(model: nn.Module, path: str, name: str) -> Tensor:
    """A parameter or buffer: `attention.query.weight` below the module at `path`."""
    owner, _, leaf = f"{path}.{name}".rpartition(".")
    tensor = getattr(model.get_submodule(owner), leaf)
    if not isinstance(tensor, Tensor):
        raise TypeError(f"`{path}.{name}` is a {type(tensor).__name__}, not a tensor")
    return tensor
