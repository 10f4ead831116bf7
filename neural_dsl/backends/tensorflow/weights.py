"""Where the weights of a Keras model stand, by the catalogue's table."""

from __future__ import annotations

from typing import Any

import keras

from neural_dsl.backends.base import Place

BACKEND = "tensorflow"


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
