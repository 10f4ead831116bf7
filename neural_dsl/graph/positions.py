"""Which positions of which network inputs stand along a tensor's first axis.

A token labels a position of an input. A later position may carry that label only if it
is still that position: not after pooling, and not because the lengths happen to agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from neural_dsl.catalogue.tensors import Attention
from neural_dsl.graph.nodes import Branch, Input, Layer, Network, Residual
from neural_dsl.graph.wiring import Walk


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
    tracer = Tracer({item.name: input_axis(item) for item in network.inputs})
    tracer.nodes(network.body, tuple(tracer.inputs.values()))
    return tracer.found


def ends(attention: Attention, read: Axes) -> tuple[Axis, Axis]:
    """The axes of an attention's queries and keys, of what its layer reads."""
    return read[0], read[-1] if attention.kind == "cross" else read[0]


def input_axis(item: Input) -> Axis:
    """The axis of an untouched input."""
    name = frozenset({item.name})
    return Axis((name,) if item.is_sequence else (), name)


class Tracer(Walk[Axis]):
    """Walks the graph with axes in place of tensors."""

    def __init__(self, inputs: dict[str, Axis]):
        self.inputs = inputs
        self.found: dict[str, Axes] = {}

    def start(self, branch: Branch, flow: Axes) -> Axes:
        """The input of a branch's name, or what came before the branches."""
        return (self.inputs[branch.input],) if branch.input else flow

    def residual(self, node: Residual, body: Axis, skip: Axis) -> Axis:
        """A sum, as of any other layers."""
        return merged(node, (body, skip))

    def layer(self, layer: Layer, read: Axes) -> Axis:
        """One layer, by the rule of its catalogue entry."""
        self.found[layer.name] = read
        rule = layer.spec.positions(layer.params, layer.inputs)
        if rule.kind == "joined":
            return joined(read)
        if rule.kind == "kept":
            return merged(layer, read) if layer.spec.arity == "many" else read[0]
        lost = next((axis for axis in read if not axis.parts), None)
        lost = lost or Axis((), everything(read), layer, rule.why)
        return replace(lost, inputs=everything(read))


def everything(axes: Sequence[Axis]) -> frozenset[str]:
    """All inputs behind these axes."""
    return frozenset[str]().union(*(axis.inputs for axis in axes))


def joined(axes: Sequence[Axis]) -> Axis:
    """The axes one after another; one without positions of an input spoils them all."""
    told = next((axis for axis in axes if not axis.parts), None)
    if told is not None:
        return replace(told, inputs=everything(axes))
    told = next((axis for axis in axes if axis.why), axes[0])
    parts = tuple(part for axis in axes for part in axis.parts)
    return Axis(parts, everything(axes), told.node, told.why)


def merged(node: Layer | Residual, axes: Sequence[Axis]) -> Axis:
    """The axes on top of one another, position by position."""
    told = next((axis for axis in axes if not axis.parts), None)
    if told is not None or len({axis.parts for axis in axes}) == 1:
        return replace(told or axes[0], inputs=everything(axes))
    if any(len(axis.parts) > 1 for axis in axes):
        return Axis((), everything(axes), node, "its inputs are joined differently")
    part = frozenset[str]().union(*(axis.parts[0] for axis in axes))
    why = "it lays positions of " + " and ".join(f"`{n}`" for n in sorted(part))
    return Axis((part,), everything(axes), node, why + " on one another")
