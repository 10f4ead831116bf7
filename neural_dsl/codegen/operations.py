"""Where the layers of the graph live in the model that the emitted file builds.

No two operations of a functional Keras model may have the same name. Layers keep their
canonical names. What has none in weights files, the instances of blocks, the steps that
join masks, and the inputs, gives way to them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, count

from neural_dsl.codegen.steps import BlockUse, CallStep, ResidualStep, Step, inner
from neural_dsl.graph.nodes import Layer


class Operations:
    """The names of a functional model's operations."""

    def __init__(self, steps: tuple[Step, ...], automatic: Collection[str]):
        # Keras counts such names up over all models of a process: `repeat_1`, ….
        self._refused = re.compile(rf"_.*|(?:{'|'.join(automatic)})(?:_\d+)?")
        every = list(_every(steps))
        canonical = [_canonical(step) for step in every]
        self._taken = {name for names in canonical for name in names}
        self._names = {
            id(step): self._first(_prefixed(names), own=names)
            for step, names in zip(every, canonical, strict=True)
        }
        for step in every:
            if isinstance(step, CallStep) and isinstance(step.copies[0], BlockUse):
                self._names[id(step)] = self._first(_blocks(step))

    def names(self, step: Step) -> list[str]:
        """The names of a step's copies."""
        return self._names[id(step)]

    def input(self, name: str) -> str:
        """The name of an input's operation: its own, if no layer has it."""
        if name.startswith("_"):
            name = f"input{name}"
        return self.free(name, f"{name}_input")

    def free(self, *wishes: str) -> str:
        """The first wish that is free, or the last with a number."""
        numbered = (f"{wishes[-1]}_{number}" for number in count(2))
        return self._first([name] for name in chain(wishes, numbered))[0]

    def _first(
        self, wishes: Iterable[list[str]], own: Collection[str] = ()
    ) -> list[str]:
        """The first names of which each is free, or already its own."""
        for names in wishes:
            if not any(
                self._refused.fullmatch(n) or (n in self._taken and n not in own)
                for n in names
            ):
                break
        self._taken.update(names)
        return names


def _prefixed(names: list[str]) -> Iterator[list[str]]:
    """A loop's names keep their numbers, so all change alike."""
    while True:
        yield names
        prefix = "layer" if names[:1] and names[0].startswith("_") else "layer_"
        names = [prefix + name for name in names]


def _blocks(step: CallStep) -> Iterator[list[str]]:
    attr, copies = step.attr, len(step.copies)
    while True:
        yield [attr] if copies == 1 else [f"{attr}_{i}" for i in range(copies)]
        attr += "_block"


def _canonical(step: Step) -> list[str]:
    """The canonical names that a step itself carries into the model."""
    if isinstance(step, CallStep):
        return [each.name for each in step.copies if isinstance(each, Layer)]
    return [step.node.name] if isinstance(step, ResidualStep) else []


def _every(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps of the model's own scope, those inside residuals and branches too."""
    for step in steps:
        yield step
        yield from _every(inner(step))


def layer_paths(
    steps: tuple[Step, ...], operations: Operations | None, prefix: str = ""
) -> Iterator[tuple[str, str]]:
    """Canonical layer names and attribute paths in the live model, below `prefix`. The
    model's own scope has names of `operations` where it is functional."""
    for step in steps:
        if not isinstance(step, CallStep):
            yield from layer_paths(inner(step), operations, prefix)
            continue
        names = [step.attr]
        if operations is not None:
            names = operations.names(step)
        elif len(step.copies) > 1:
            names = [f"{step.attr}.{number}" for number in range(len(step.copies))]
        for name, copy in zip(names, step.copies, strict=True):
            if isinstance(copy, BlockUse):
                yield from layer_paths(copy.steps, None, f"{prefix}{name}.")
            elif copy.weights or copy.attentions:
                yield copy.name, prefix + name
