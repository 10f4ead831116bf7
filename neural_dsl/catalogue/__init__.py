"""The catalogue: every layer of the language, one entry each.

The validator, the shape engine, the code generator and the reference docs all read it.
"""

from __future__ import annotations

from neural_dsl.catalogue import (
    attention,
    convolution,
    core,
    embedding,
    merging,
    normalization,
    pooling,
    transformer,
)
from neural_dsl.catalogue.merging import RESIDUAL_CONNECTION
from neural_dsl.catalogue.planned import PLANNED
from neural_dsl.catalogue.spec import LayerSpec

LAYERS: dict[str, LayerSpec] = {
    spec.name: spec
    for family in (
        core,
        embedding,
        normalization,
        attention,
        transformer,
        convolution,
        pooling,
        merging,
    )
    for spec in family.LAYERS
}
"""Every layer by its canonical name, family by family."""

_BY_SPELLING = {
    spelling.lower(): spec
    for spec in (*LAYERS.values(), RESIDUAL_CONNECTION)
    for spelling in (spec.name, *spec.aliases)
}


def find_layer(name: str) -> LayerSpec | None:
    """The entry for any spelling of a layer's name, case ignored; None if unknown.

    `ResidualConnection` is found too, though it is a block and not in `LAYERS`.
    """
    return _BY_SPELLING.get(name.lower())


def planned_layer(name: str) -> str | None:
    """The canonical name of a layer that is known but not built yet."""
    return PLANNED.get(name.lower())


def layer_names() -> list[str]:
    """Canonical names and aliases, for suggestions."""
    specs = (*LAYERS.values(), RESIDUAL_CONNECTION)
    return [spelling for spec in specs for spelling in (spec.name, *spec.aliases)]
