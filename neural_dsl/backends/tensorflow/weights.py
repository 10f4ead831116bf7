"""Canonical weights of a Keras model, by the catalogue's table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from neural_dsl.backends.base import Place

Float32 = npt.NDArray[np.float32]
BACKEND = "tensorflow"


def read(model: keras.Model, places: Iterable[Place]) -> Iterator[Float32]:
    """The weights at these places, canonical, as float32."""
    for place in places:
        array = find(model, place).value.numpy()
        yield array.transpose(place.weight.array.order(BACKEND))


def write(
    model: keras.Model, places: Iterable[Place], arrays: Sequence[Float32]
) -> None:
    """Assign the canonical arrays to the weights at these places, in order."""
    for place, array in zip(places, arrays, strict=True):
        own = array.transpose(place.weight.array.order_back(BACKEND))
        find(model, place).assign(own)


def find(model: keras.Model, place: Place) -> keras.Variable:
    """The variable that stands there."""
    path = f"{place.layer}.{place.weight.place(BACKEND)}"
    variable = find_layer(model, path)
    if not isinstance(variable, keras.Variable):
        raise TypeError(f"`{path}` is a {type(variable).__name__}, not a variable")
    return variable


def find_layer(model: keras.Model, path: str) -> Any:
    """What a path of `CompiledModel.paths` leads to: a layer's name in the model, then
    attributes and indices."""
    first, *rest = path.split(".")
    found: Any = model.get_layer(first)
    for part in rest:
        found = found[int(part)] if part.isdigit() else getattr(found, part)
    return found
