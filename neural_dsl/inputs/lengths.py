"""The same network at another sequence length, where its layers allow that.

Attention, normalisation, pooling over time and Dense work at any length; what comes after
a Flatten, or positions beyond a PositionalEncoding's `max_len`, do not. Nothing here
knows which is which: the catalogue's rules are asked again with the new length, and a
layer whose weights would change says no.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from neural_dsl.catalogue.spec import LayerProblem
from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.graph.nodes import Branches, Layer, MacroUse, Network, Node, Residual
from neural_dsl.graph.walk import Walk, rebuild

TRIED = (16, 8, 4, 2, 1, 32, 64, 128, 256)
"""Lengths for an input that declares none, in order of preference."""

Flow = tuple[Tensor, ...]


class Fixed(Exception):
    """The length cannot change, because of a node: that, and why."""


def with_lengths(network: Network, lengths: Mapping[str, int]) -> Network:
    """The network with the first axis of these inputs at these lengths; every other axis
    that is open gets them too.

    Returns the network itself when nothing changes. Raises NeuralError NE128, pointing at
    the layer that needs the declared length.
    """
    inputs = []
    for item in network.inputs:
        length, shape = lengths.get(item.name), item.tensor.shape
        if length is not None and shape:
            shape = (length, *(length if size is None else size for size in shape[1:]))
        inputs.append(replace(item, tensor=replace(item.tensor, shape=shape)))
    if tuple(inputs) == network.inputs:
        return network
    resizer = Resizer({item.name: item.tensor for item in inputs})
    try:
        flow = resizer.nodes(network.body, tuple(resizer.inputs.values()))
    except Fixed as problem:
        node, why = problem.args
        known = {i.name: i.tensor.shape[0] for i in network.inputs}
        new = {n: lengths[n] for n in known if lengths.get(n) not in (None, known[n])}
        given = ", ".join(f"{length} for `{name}`" for name, length in new.items())
        message = f"the layers do not allow this length: {given}"
        help = "another number of tokens"
        declared = {name: known[name] for name in new if known[name] is not None}
        if declared:
            long = (f"`{n}` is declared {size} long" for n, size in declared.items())
            message = f"{', '.join(long)}, and the layers do not allow {given}"
            help = " and ".join(f"{size} tokens" for size in declared.values())
        place = (network.source, node.span, why)
        raise refusal("NE128", message, *place, help=f"give {help}") from None
    body = rebuild(network.body, lambda node: resizer.made.get(id(node), node))
    return replace(network, inputs=tuple(inputs), body=body, output=flow[-1])


def with_some_length(network: Network) -> Network:
    """The network with a length for every input that declares none."""
    open_inputs = [i.name for i in network.inputs if None in i.tensor.shape]
    refused: list[NeuralError] = []
    for length in TRIED:
        try:
            return with_lengths(network, dict.fromkeys(open_inputs, length))
        except NeuralError as error:
            refused.append(error)
    raise refused[0]


class Resizer(Walk[Tensor]):
    """Walks the graph once with new input tensors; `made` has the nodes that change.
    Raises Fixed."""

    def __init__(self, inputs: Mapping[str, Tensor]):
        self.inputs = inputs
        self.made: dict[int, Node] = {}

    def residual(self, node: Residual, body: Tensor, skip: Tensor) -> Tensor:
        if body.shape != skip.shape:
            raise Fixed(node, "its sum would add different lengths")
        return replace(node.output, shape=body.shape, mask=skip.mask)

    def layer(self, layer: Layer, read: Flow) -> Tensor:
        try:
            params = layer.spec.complete(layer.params, read)
            output = layer.spec.output(params, read)
            weights = layer.spec.weights(params, read)
        except LayerProblem as problem:
            raise Fixed(layer, problem.message) from problem
        if weights != layer.weights:
            raise Fixed(layer, "the size of its weights depends on the length")
        self.made[id(layer)] = replace(layer, params=params, inputs=read, output=output)
        return output

    def passed(self, node: Node, read: Flow, after: Flow) -> None:
        """The tensors that a node says it takes and gives."""
        if isinstance(node, MacroUse | Residual):
            self.made[id(node)] = replace(node, inputs=read, output=after[-1])
        elif isinstance(node, Branches):
            pairs = zip(node.branches, after, strict=True)
            branches = tuple(replace(branch, output=output) for branch, output in pairs)
            self.made[id(node)] = replace(node, branches=branches)
