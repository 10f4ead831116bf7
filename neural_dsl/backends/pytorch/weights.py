"""Where the weights of a PyTorch model stand, by the catalogue's table."""

from __future__ import annotations

from torch import Tensor, nn

from neural_dsl.backends.base import Place

BACKEND = "pytorch"


def find(model: nn.Module, place: Place) -> Tensor:
    """The parameter or buffer that stands there."""
    path = f"{place.layer}.{place.weight.place(BACKEND)}"
    owner, _, leaf = path.rpartition(".")
    tensor = getattr(model.get_submodule(owner), leaf)
    if not isinstance(tensor, Tensor):
        raise TypeError(f"`{path}` is a {type(tensor).__name__}, not a tensor")
    return tensor
