"""Says where each layer of the graph lives in the model that the emitted file builds."""

from __future__ import annotations

from collections.abc import Iterator

from neural_dsl.codegen.context import Context
from neural_dsl.codegen.plan import (
    BlockStep,
    BranchesStep,
    LayerStep,
    ResidualStep,
    Step,
)


def layer_paths(context: Context) -> dict[str, str]:
    """Canonical layer name -> attribute path in the live model."""
    return dict(_paths(context, context.steps, "", context.inline))


def _paths(
    context: Context, steps: tuple[Step, ...], prefix: str, inline: bool
) -> Iterator[tuple[str, str]]:
    for step in steps:
        match step:
            case LayerStep(layers=layers, attr=attr):
                for number, layer in enumerate(layers):
                    if layer.weights or layer.attentions:
                        local = attr if len(layers) == 1 else f"{attr}.{number}"
                        if inline:
                            local = context.operations.layers[layer.name]
                        yield layer.name, prefix + local
            case BlockStep(uses=uses, attr=attr):
                for number, use in enumerate(uses):
                    local = attr if len(uses) == 1 else f"{attr}.{number}"
                    if inline:
                        local = context.operations.blocks[id(step)][number]
                    yield from _paths(context, use.steps, f"{prefix}{local}.", False)
            case ResidualStep(steps=inner):
                yield from _paths(context, inner, prefix, inline)
            case BranchesStep(paths=paths):
                for _, _, inner in paths:
                    yield from _paths(context, inner, prefix, inline)
