"""Which positions of which network inputs stand along a tensor's first axis, and so which
tokens label it; what to say where there are none (NW139).

A token labels a position of an input. A later position may carry that label only if it
is still that position: not after pooling, and not because the lengths happen to agree.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from neural_dsl.diagnostics import Diagnostic
from neural_dsl.graph.nodes import Layer, Network, Residual
from neural_dsl.graph.walk import Walk
from neural_dsl.source import Span

Items = tuple[tuple[str, ...], ...]


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


def attention_axes(network: Network) -> dict[str, tuple[Axis, Axis]]:
    """The axes of each attention's queries and keys, by its name."""
    inputs: dict[str, Axis] = {}
    for item in network.inputs:
        own = frozenset({item.name})
        inputs[item.name] = Axis((own,) if item.is_sequence else (), own)
    tracer = _Tracer(inputs)
    tracer.nodes(network.body, tuple(inputs.values()))
    found: dict[str, tuple[Axis, Axis]] = {}
    for name, layer, attention in network.attentions():
        read = tracer.found[layer.name]
        found[name] = read[0], read[-1] if attention.kind == "cross" else read[0]
    return found


class _Tracer(Walk[Axis]):
    """Walks the graph with axes in place of tensors."""

    def __init__(self, inputs: Mapping[str, Axis]):
        self.inputs = inputs
        self.found: dict[str, Axes] = {}

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


def labels_of(
    axis: Axis, tokens: Mapping[str, Items], lengths: Mapping[str, int]
) -> Items | None:
    """The labels of an axis, one tuple a batch item; None where no token is known, or
    two different ones belong to one position.

    `lengths` are those of the inputs: behind a `Concatenate`, the positions of an input
    without tokens are labelled by their numbers.
    """
    parts = [{tokens[name] for name in part if name in tokens} for part in axis.parts]
    if not any(parts) or any(len(found) > 1 for found in parts):
        return None
    batch = len(next(iter(tokens.values())))
    labels: Items = ((),) * batch
    for part, found in zip(axis.parts, parts, strict=True):
        start = len(labels[0])
        numbers = tuple(map(str, range(start, start + lengths[min(part)])))
        more = next(iter(found), (numbers,) * batch)
        labels = tuple(a + b for a, b in zip(labels, more, strict=True))
    return labels


def lost_labels(
    network: Network, drawn: Collection[str], tokens: Mapping[str, tuple[str, ...]]
) -> list[Diagnostic]:
    """NW139, where the pictures of the attentions `drawn` cannot carry these tokens."""
    given = {name: (words,) for name, words in tokens.items()}
    shown = set[str]()
    lost: dict[tuple[str, Span, str], dict[str, list[str]]] = {}
    for name, axes in attention_axes(network).items():
        sides = zip(("queries", "keys"), axes, strict=True)
        for side, axis in sides if name in drawn else ():
            concerned = axis.inputs & given.keys()
            shown |= concerned
            node, anywhere = axis.node, dict.fromkeys(axis.inputs, 0)
            if node is None or not concerned or labels_of(axis, given, anywhere):
                continue
            title = node.name if isinstance(node, Layer) else "ResidualConnection"
            place = (title, node.span, axis.why)
            lost.setdefault(place, {}).setdefault(name, []).append(side)
    warning = partial(Diagnostic, "NW139", severity="warning")
    found = []
    for (title, span, why), each in lost.items():
        message = (
            f"{_attentions(each)} {'is' if len(each) == 1 else 'are'} drawn without "
            f"tokens, with the numbers of positions: behind `{title}` a position is no "
            "longer that of one token"
        )
        found.append(warning(message, network.source, span, why))
    for name in tokens:
        if name not in shown:
            why = "no attention that is drawn reads this input"
            found.append(warning(f"the tokens of `{name}` label nothing: {why}"))
    return found


def _attentions(found: Mapping[str, list[str]]) -> str:
    """`a`, `b` (keys) and 2 more."""
    names = [
        f"`{name}`" if len(sides) == 2 else f"`{name}` ({sides[0]})"
        for name, sides in found.items()
    ]
    if len(names) > 3:
        names[2:] = [f"{len(names) - 2} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
