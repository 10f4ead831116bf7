"""Canonical weights of a Keras model: its own names and layouts, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Place = tuple[str, str]

# Keras' class -> canonical name -> (Keras' attribute, the order of its axes in the
# canonical array, None for the same). Both orders are their own inverse.
LAYOUTS: dict[type, dict[str, tuple[str, tuple[int, ...] | None]]] = {
    keras.layers.Dense: {"weight": ("kernel", (1, 0)), "bias": ("bias", None)},
    # Keras: (kernel, in / groups, filters); canonical: (filters, in / groups, kernel).
    keras.layers.Conv1D: {"weight": ("kernel", (2, 1, 0)), "bias": ("bias", None)},
    keras.layers.Embedding: {"weight": ("embeddings", None)},
    keras.layers.LayerNormalization: {
        "weight": ("gamma", None),
        "bias": ("beta", None),
    },
    keras.layers.BatchNormalization: {
        "weight": ("gamma", None),
        "bias": ("beta", None),
        "running_mean": ("moving_mean", None),
        "running_var": ("moving_variance", None),
    },
}


def read(model: keras.Model, places: Iterable[Place]) -> Iterator[Float32]:
    """The weights at (path of the layer, name below it), as float32."""
    for path, name in places:
        variable, axes = _find(model, path, name)
        array = variable.value.numpy()
        yield array if axes is None else np.transpose(array, axes)


def write(
    model: keras.Model, places: Iterable[Place], arrays: Sequence[Float32]
) -> None:
    """Assign the arrays to the weights at these places, in order."""
    for (path, name), array in zip(places, arrays, strict=True):
        variable, axes = _find(model, path, name)
        variable.assign(array if axes is None else np.transpose(array, axes))


def find_layer(model: keras.Model, path: str) -> Any:
    """What a path of `CompiledModel.paths` leads to: a layer's name in the model, then
    attributes and indices."""
    first, *rest = path.split(".")
    found: Any = model.get_layer(first)
    for part in rest:
        found = found[int(part)] if part.isdigit() else getattr(found, part)
    return found


def _find(
    model: keras.Model, path: str, name: str
) -> tuple[keras.Variable, tuple[int, ...] | None]:
    """A variable, and how to turn its axes into the canonical ones (and back)."""
    owner_path, _, leaf = f"{path}.{name}".rpartition(".")
    owner = find_layer(model, owner_path)
    for kind, layout in LAYOUTS.items():
        if isinstance(owner, kind) and leaf in layout:
            attribute, axes = layout[leaf]
            return getattr(owner, attribute), axes
    # A layer that the emitted file defines names its variables canonically itself.
    return getattr(owner, leaf), None
