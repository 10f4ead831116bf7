"""Which positions of which network inputs stand along a tensor's first axis.

A token labels a position of an input. A later position may carry that label only if it
is still that position: not after pooling, and not because the lengths happen to agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from neural_dsl.catalogue.tensors import Attention
from neural_dsl.graph.nodes import Branch, Layer, Network, Residual
from neural_dsl.graph.walk import Walk


@dataclass(frozen=True)
class Axis:
    """What the positions of one tensor are.

    - `parts`: inputs, all of whose positions follow one another: `({x}, {y})` behind a
      `Concatenate` in time. A part of several inputs has them on top of one another, as
      an `Add` leaves them. Empty: no position of the axis is one of an input.
    - `inputs`: everything that the tensor was computed from along the way.
    - `node`, `why`: the last layer that laid inputs on one another or made positions
      of its own, and how.
    """

    parts: tuple[frozenset[str], ...]
    inputs: frozenset[str]
    node: Layer | Residual | None = None
    why: str = ""


Axes: TypeAlias = tuple[Axis, ...]


def axes_read(network: Network) -> dict[str, Axes]:
    """For each layer, the axes of the tensors that it reads, as `Layer.inputs`."""
    inputs: dict[str, Axis] = {}
    for item in network.inputs:
        name = frozenset({item.name})
        inputs[item.name] = Axis((name,) if item.is_sequence else (), name)
    tracer = _Tracer(inputs)
    tracer.nodes(network.body, tuple(inputs.values()))
    return tracer.found


def ends(attention: Attention, read: Axes) -> tuple[Axis, Axis]:
    """The axes of an attention's queries and keys, of what its layer reads."""
    return read[0], read[-1] if attention.kind == "cross" else read[0]


class _Tracer(Walk[Axis]):
    """Walks the graph with axes in place of tensors."""

    def __init__(self, inputs: dict[str, Axis]):
        self.inputs = inputs
        self.found: dict[str, Axes] = {}

    def start(self, branch: Branch, flow: Axes) -> Axes:
        return (self.inputs[branch.input],) if branch.input else flow

    def residual(self, node: Residual, body: Axis, skip: Axis) -> Axis:
        return _merged(node, (body, skip))

    def layer(self, layer: Layer, read: Axes) -> Axis:
        self.found[layer.name] = read
        rule, behind = layer.spec.positions(layer.params, layer.inputs), _behind(read)
        if rule.kind == "kept":
            return _merged(layer, read) if layer.spec.arity == "many" else read[0]
        without = next((axis for axis in read if not axis.parts), None)
        if without is not None:  # one without positions of an input spoils them all
            return replace(without, inputs=behind)
        if rule.kind != "joined":
            return Axis((), behind, layer, rule.why)
        told = next((axis for axis in read if axis.why), read[0])
        parts = tuple(part for axis in read for part in axis.parts)
        return Axis(parts, behind, told.node, told.why)


def _behind(axes: Sequence[Axis]) -> frozenset[str]:
    """All inputs behind these axes."""
    return frozenset[str]().union(*(axis.inputs for axis in axes))


def _merged(node: Layer | Residual, axes: Sequence[Axis]) -> Axis:
    """The axes on top of one another, position by position."""
    told = next((axis for axis in axes if not axis.parts), None)
    if told is not None or len({axis.parts for axis in axes}) == 1:
        return replace(told or axes[0], inputs=_behind(axes))
    if any(len(axis.parts) > 1 for axis in axes):
        return Axis((), _behind(axes), node, "its inputs are joined differently")
    part = frozenset[str]().union(*(axis.parts[0] for axis in axes))
    why = "it lays positions of " + " and ".join(f"`{n}`" for n in sorted(part))
    return Axis((part,), _behind(axes), node, why + " on one another")
