"""From captured arrays to an AttentionRecord: masks, token labels, provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import PurePath
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from neural_dsl import __version__
from neural_dsl.attention.record import (
    AttentionRecord,
    LayerAttention,
    Provenance,
    Tokens,
)
from neural_dsl.backends.masks import of_attention
from neural_dsl.inputs import Prepared
from neural_dsl.ir.nodes import (
    Branches,
    Layer,
    MacroUse,
    Network,
    Node,
    Repeat,
    Residual,
)

DISTRIBUTIONS = {"pytorch": ("torch",), "tensorflow": ("tensorflow", "tensorflow-cpu")}

Names: TypeAlias = frozenset[str]
Flow: TypeAlias = tuple[Names, ...]


def assemble(
    prepared: Prepared,
    weights: Mapping[str, npt.NDArray[np.float32]],
    backend: str,
    weights_origin: str,
    labelled_item: int = 0,
) -> AttentionRecord:
    """The record of one captured run.

    `weights`: attention name -> float32 (batch, heads, query, key). Token labels belong
    to the batch item `labelled_item`; other items are labelled by position.
    """
    network = prepared.network
    sources = token_sources(network)
    layers = []
    for name, layer, attention in network.attentions():
        if name not in weights:
            continue
        array = weights[name]
        masks = of_attention(layer, attention, prepared.arrays)
        queries, keys = sources[layer.name][0], sources[layer.name][-1]
        if attention.kind != "cross":
            keys = queries
        label = Labeller(prepared, labelled_item)
        layers.append(
            LayerAttention(
                name,
                attention.kind,
                array,
                masks.keys,
                masks.queries,
                label(queries, array.shape[2]),
                label(keys, array.shape[3]),
            )
        )
    provenance = Provenance(
        model=network.name,
        source=PurePath(network.source.name).name,
        backend=backend,
        weights=weights_origin,
        inputs=prepared.origin,
        versions=versions(backend),
    )
    return AttentionRecord(tuple(layers), provenance)


@dataclass(frozen=True)
class Labeller:
    """Finds the labels of a sequence that comes from certain inputs."""

    prepared: Prepared
    item: int

    def __call__(self, sources: Names, length: int) -> Tokens | None:
        """One tuple a batch item, or None where there are no labels that fit."""
        found = [self.prepared.tokens.get(name) for name in sources]
        if len(found) != 1 or found[0] is None or len(found[0]) != length:
            return None  # unlabelled, mixed, or cut to another length by a convolution
        positions = tuple(str(position) for position in range(length))
        return tuple(
            found[0] if item == self.item else positions
            for item in range(self.prepared.batch_size)
        )


def token_sources(network: Network) -> dict[str, Flow]:
    """For each layer, and each tensor that it reads: the network inputs it comes from."""
    tracer = Tracer()
    tracer.nodes(network.body, tuple(frozenset({i.name}) for i in network.inputs))
    return tracer.found


@dataclass
class Tracer:
    """Walks the graph once with sets of input names in place of tensors."""

    memory: Names = frozenset()
    found: dict[str, Flow] = field(default_factory=dict)

    def nodes(self, nodes: tuple[Node, ...], flow: Flow) -> Flow:
        """What leaves the last of these nodes."""
        for node in nodes:
            flow = self.node(node, flow)
        return flow

    def node(self, node: Node, flow: Flow) -> Flow:
        """What leaves one node."""
        match node:
            case Layer():
                return self.layer(node, flow)
            case Repeat(copies=copies):
                for copy in copies:
                    flow = self.nodes(copy, flow)
                return flow
            case MacroUse(body=body):
                return self.nodes(body, flow)
            case Residual(body=body):
                self.nodes(body, flow)
                return flow
            case Branches(branches=branches):
                outputs = tuple(
                    self.nodes(
                        branch.body,
                        flow if branch.input is None else (frozenset({branch.input}),),
                    )[-1]
                    for branch in branches
                )
                self.memory = outputs[0]
                return outputs

    def layer(self, layer: Layer, flow: Flow) -> Flow:
        """A decoder carries on its target; a merging layer mixes everything."""
        if layer.spec.arity == "target":
            memory = flow[0] if len(flow) > 1 else self.memory
            read = (flow[-1], memory) if len(layer.inputs) == 2 else flow[-1:]
            self.found[layer.name] = read
            return read[:1]
        read = flow[-1:] if len(layer.inputs) == 1 else flow
        self.found[layer.name] = read
        return (frozenset().union(*read),)


def versions(backend: str) -> dict[str, str]:
    """Names and versions of what computed a record."""
    found = {"neural-dsl": __version__, "numpy": np.__version__}
    for name in DISTRIBUTIONS[backend]:
        try:
            found[name] = metadata.version(name)
            break
        except metadata.PackageNotFoundError:
            continue
    return found
