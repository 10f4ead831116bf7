"""Says where each layer of the graph lives in the model that the emitted file builds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neural_dsl.codegen.context import Context
from neural_dsl.codegen.steps import BlockStep, BlockUse, LayerStep, Step, inner
from neural_dsl.graph.nodes import Layer


def layer_paths(context: Context) -> dict[str, str]:
    """Canonical layer name -> attribute path in the live model."""
    return dict(_paths(context, context.steps, "", context.inline))


def _paths(
    context: Context, steps: tuple[Step, ...], prefix: str, inline: bool
) -> Iterator[tuple[str, str]]:
    for step in steps:
        copies: Sequence[Layer | BlockUse]
        if isinstance(step, LayerStep):
            copies = step.layers
        elif isinstance(step, BlockStep):
            copies = step.uses
        else:
            yield from _paths(context, inner(step), prefix, inline)
            continue
        names = [step.attr]
        if inline:
            names = context.operations.names(step)
        elif len(copies) > 1:
            names = [f"{step.attr}.{number}" for number in range(len(copies))]
        for name, copy in zip(names, copies, strict=True):
            if isinstance(copy, BlockUse):
                yield from _paths(context, copy.steps, f"{prefix}{name}.", False)
            elif isinstance(copy, Layer) and (copy.weights or copy.attentions):
                yield copy.name, prefix + name
