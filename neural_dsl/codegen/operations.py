"""Names of the operations of a functional Keras model: no two may be the same.

Layers keep their canonical names. What has none in weights files, the instances of
blocks, the steps that join masks, and the inputs, gives way to them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, count

from neural_dsl.codegen.steps import BlockStep, LayerStep, ResidualStep, Step, inner


class Operations:
    """`layers`: canonical name -> Keras' name; `blocks`: id of a step -> its names."""

    def __init__(self, steps: tuple[Step, ...], automatic: Collection[str]):
        # Keras counts such names up over all models of a process: `repeat_1`, ….
        self._automatic = re.compile(rf"(?:{'|'.join(automatic)})(?:_\d+)?")
        every = list(_every(steps))
        runs = [_canonical(step) for step in every]
        self._taken = {name for run in runs for name in run}
        self.layers: dict[str, str] = {}
        for run in runs:
            self.layers.update(zip(run, self._layers(run), strict=True))
        self.blocks = {
            id(step): self._block(step.attr, len(step.uses))
            for step in every
            if isinstance(step, BlockStep)
        }

    def names(self, step: LayerStep | BlockStep) -> list[str]:
        """The names of a step's copies."""
        if isinstance(step, BlockStep):
            return self.blocks[id(step)]
        return [self.layers[layer.name] for layer in step.layers]

    def input(self, name: str) -> str:
        """The name of an input's operation: its own, if no layer has it."""
        if name.startswith("_"):
            name = f"input{name}"
        return self._first([name, f"{name}_input"])

    def mask(self, variable: str) -> str:
        """The name of the layer that makes the mask `variable` by joining others."""
        return self._first([f"{variable}_concatenate"])

    def _layers(self, run: list[str]) -> list[str]:
        """A loop's names keep their numbers, so all change alike."""
        names = run
        while any(
            self._refused(name) or (names is not run and name in self._taken)
            for name in names
        ):
            prefix = "layer" if names[0].startswith("_") else "layer_"
            names = [prefix + name for name in names]
        self._taken.update(names)
        return names

    def _block(self, attr: str, copies: int) -> list[str]:
        names = [attr] if copies == 1 else [f"{attr}_{i}" for i in range(copies)]
        if any(self._refused(name) or name in self._taken for name in names):
            return self._block(f"{attr}_block", copies)
        self._taken.update(names)
        return names

    def _first(self, wishes: list[str]) -> str:
        """The first wish that is free, or the last with a number."""
        numbered = (f"{wishes[-1]}_{number}" for number in count(2))
        for name in chain(wishes, numbered):
            if not self._refused(name) and name not in self._taken:
                break
        self._taken.add(name)
        return name

    def _refused(self, name: str) -> bool:
        return name.startswith("_") or bool(self._automatic.fullmatch(name))


def _canonical(step: Step) -> list[str]:
    """The canonical names that a step itself carries into the model."""
    if isinstance(step, LayerStep):
        return [layer.name for layer in step.layers]
    return [step.node.name] if isinstance(step, ResidualStep) else []


def _every(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps of the model's own scope, those inside residuals and branches too."""
    for step in steps:
        yield step
        yield from _every(inner(step))
