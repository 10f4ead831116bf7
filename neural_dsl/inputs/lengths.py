"""The same network at another sequence length, where its layers allow that.

Attention, normalisation, pooling over time and Dense work at any length; what comes after
a Flatten, or positions beyond a PositionalEncoding's `max_len`, do not. Nothing here
knows which is which: the catalogue's rules are asked again with the new length, and a
layer whose weights would change says no.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from neural_dsl.catalogue.spec import LayerProblem
from neural_dsl.catalogue.tensors import Tensor
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.graph.nodes import (
    Branch,
    Branches,
    Input,
    Layer,
    MacroUse,
    Network,
    Node,
    Repeat,
    Residual,
)
from neural_dsl.graph.wiring import outlasting, wired

TRIED = (16, 8, 4, 2, 1, 32, 64, 128, 256)
"""Lengths for an input that declares none, in order of preference."""

Flow = tuple[Tensor, ...]


class Fixed(Exception):
    """The length cannot change, because of this node."""

    def __init__(self, node: Layer | Residual, why: str):
        super().__init__(why)
        self.node = node
        self.why = why


def with_lengths(network: Network, lengths: Mapping[str, int]) -> Network:
    """The network with the first axis of these inputs at these lengths.

    Returns the network itself when nothing changes. Raises NeuralError NE128, pointing at
    the layer that needs the declared length.
    """
    inputs = tuple(
        resized_input(item, lengths.get(item.name)) for item in network.inputs
    )
    if inputs == network.inputs:
        return network
    try:
        return Resizer(inputs).network(network)
    except Fixed as problem:
        raise NeuralError(refusal(network, lengths, problem)) from problem


def with_some_length(network: Network) -> Network:
    """The network with a length for every input that declares none."""
    open_inputs = [i.name for i in network.inputs if None in i.tensor.shape]
    if not open_inputs:
        return network
    refused: NeuralError | None = None
    for length in TRIED:
        try:
            return with_lengths(network, dict.fromkeys(open_inputs, length))
        except NeuralError as error:
            refused = refused or error
    assert refused is not None
    raise refused


def resized_input(item: Input, length: int | None) -> Input:
    """The input at another length; every open axis gets it."""
    shape = item.tensor.shape
    if length is None or not shape:
        return item
    sizes = (length, *(length if size is None else size for size in shape[1:]))
    return replace(item, tensor=replace(item.tensor, shape=sizes))


def refusal(network: Network, lengths: Mapping[str, int], problem: Fixed) -> Diagnostic:
    """NE128 at the layer that cannot follow."""
    changed = [
        i
        for i in network.inputs
        if lengths.get(i.name) not in (None, i.tensor.shape[0])
    ]
    declared = [i for i in changed if i.tensor.shape[0] is not None]
    given = ", ".join(f"{lengths[i.name]} for `{i.name}`" for i in changed)
    if declared:
        lengths_declared = ", ".join(
            f"`{i.name}` is declared {i.tensor.shape[0]} long" for i in declared
        )
        message = f"{lengths_declared}, and the layers do not allow {given}"
        help = "give " + " and ".join(f"{i.tensor.shape[0]} tokens" for i in declared)
    else:
        message = f"the layers do not allow this length: {given}"
        help = "give another number of tokens"
    return Diagnostic(
        "NE128", message, network.source, problem.node.span, problem.why, help
    )


@dataclass
class Resizer:
    """Walks the graph once with new input tensors; mirrors how layers are connected.

    `memory` is what decoders read beside the current tensor.
    """

    inputs: tuple[Input, ...]
    memory: Tensor | None = None

    def network(self, network: Network) -> Network:
        """The whole network. Raises Fixed."""
        flow: Flow = tuple(item.tensor for item in self.inputs)
        body, flow = self.nodes(network.body, flow)
        return replace(network, inputs=self.inputs, body=body, output=flow[-1])

    def nodes(
        self, nodes: tuple[Node, ...], flow: Flow
    ) -> tuple[tuple[Node, ...], Flow]:
        """Layers in a row: the new ones, and the tensors that leave the last."""
        done = []
        for node in nodes:
            new, flow = self.node(node, flow)
            done.append(new)
        return tuple(done), flow

    def node(self, node: Node, flow: Flow) -> tuple[Node, Flow]:
        """One node and the tensors that leave it."""
        match node:
            case Layer():
                layer = self.layer(node, flow)
                return layer, (layer.output,)
            case Repeat(copies=copies):
                repeated = []
                for copy in copies:
                    body, flow = self.enclosed(copy, flow)
                    repeated.append(body)
                return replace(node, copies=tuple(repeated)), flow
            case MacroUse():
                body, after = self.enclosed(node.body, flow)
                output = after[-1]
                return replace(node, body=body, inputs=flow, output=output), after
            case Residual():
                body, after = self.nodes(node.body, flow)
                if after[-1].shape != flow[-1].shape:
                    raise Fixed(node, "its sum would add different lengths")
                output = replace(node.output, shape=after[-1].shape, mask=flow[-1].mask)
                new = replace(node, body=body, inputs=flow, output=output)
                return new, (output,)
            case Branches():
                branches = tuple(self.branch(branch, flow) for branch in node.branches)
                outputs = tuple(branch.output for branch in branches)
                return replace(node, branches=branches), outputs

    def enclosed(
        self, nodes: tuple[Node, ...], flow: Flow
    ) -> tuple[tuple[Node, ...], Flow]:
        """The nodes of a macro or of one copy."""
        outside = self.memory
        done = self.nodes(nodes, flow)
        self.memory = outlasting(nodes, flow, outside)
        return done

    def branch(self, branch: Branch, flow: Flow) -> Branch:
        """One path, from the network input that it names or from what came before."""
        if branch.input is not None:
            named = next(item for item in self.inputs if item.name == branch.input)
            flow = (named.tensor,)
        outside = self.memory
        body, after = self.nodes(branch.body, flow)
        self.memory = outside  # what a branch reads is its own
        return replace(branch, body=body, output=after[-1])

    def layer(self, layer: Layer, flow: Flow) -> Layer:
        """One layer on new inputs, by the rules of its catalogue entry."""
        inputs, self.memory = wired(layer, flow, self.memory)
        try:
            params = layer.spec.complete(layer.params, inputs)
            output = layer.spec.output(params, inputs)
            weights = layer.spec.weights(params, inputs)
        except LayerProblem as problem:
            raise Fixed(layer, problem.message) from problem
        if weights != layer.weights:
            raise Fixed(layer, "the size of its weights depends on the length")
        return replace(layer, params=params, inputs=inputs, output=output)
