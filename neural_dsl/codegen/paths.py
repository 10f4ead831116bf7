"""Says where each layer of the graph lives in the model that the emitted file builds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from neural_dsl.codegen.plan import (
    BlockStep,
    BranchesStep,
    LayerStep,
    ResidualStep,
    Step,
)

if TYPE_CHECKING:
    from neural_dsl.codegen.module import ModuleWriter


def layer_paths(module: ModuleWriter) -> dict[str, str]:
    """Canonical layer name -> attribute path in the live model."""
    return dict(_paths(module, module.steps, "", module.inline))


def _paths(
    module: ModuleWriter, steps: tuple[Step, ...], prefix: str, inline: bool
) -> Iterator[tuple[str, str]]:
    for step in steps:
        match step:
            case LayerStep(layers=layers, attr=attr):
                for number, layer in enumerate(layers):
                    if layer.weights or layer.attentions:
                        local = attr if len(layers) == 1 else f"{attr}.{number}"
                        if inline:
                            local = module.operations.layers[layer.name]
                        yield layer.name, prefix + local
            case BlockStep(uses=uses, attr=attr):
                for number, use in enumerate(uses):
                    local = attr if len(uses) == 1 else f"{attr}.{number}"
                    if inline:
                        local = module.operations.blocks[id(step)][number]
                    yield from _paths(module, use.steps, f"{prefix}{local}.", False)
            case ResidualStep(steps=inner):
                yield from _paths(module, inner, prefix, inline)
            case BranchesStep(paths=paths):
                for _, _, inner in paths:
                    yield from _paths(module, inner, prefix, inline)
