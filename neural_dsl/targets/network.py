"""A compiled network as a target: the graph knows its sites, masks and labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import PurePath
from typing import Any

import numpy as np

from neural_dsl.attention.allowed import Allowed, Bools
from neural_dsl.attention.record import Provenance, Tokens
from neural_dsl.attention.scores import Scores
from neural_dsl.backends import create_runtime
from neural_dsl.backends.inputs import validated
from neural_dsl.backends.live import Runtime
from neural_dsl.catalogue.tensors import Attention, Mask
from neural_dsl.codegen.generate import generate
from neural_dsl.graph.nodes import Layer, Network
from neural_dsl.inputs import prepare
from neural_dsl.inputs.labels import attention_axes
from neural_dsl.inputs.selection import select_layers
from neural_dsl.targets.base import (
    Batch,
    Given,
    Output,
    Site,
    Target,
    Visitor,
    not_seen,
    refuse_missing,
    refuse_prompt,
    versions,
)


class NetworkTarget(Target):
    """A live model of a `.neural` file."""

    def __init__(self, runtime: Runtime):
        super().__init__(runtime)
        self.runtime = runtime

    def __repr__(self) -> str:
        """What it is, in a line."""
        about = self.about()
        words = f"{about.model} · {about.backend} · {about.weights}"
        return f"<{type(self).__name__} {words}>"

    @property
    def network(self) -> Network:
        """The checked model graph."""
        return self.runtime.network

    def about(self) -> Provenance:
        """See `Target`."""
        source, backend = PurePath(self.network.source.name).name, self.runtime.name
        weights = self.runtime.weights_origin
        return Provenance(
            self.network.name, source, backend, weights, "", versions(backend)
        )

    def sites(self, batch: Batch | None = None) -> tuple[Site, ...]:
        """See `Target`; the graph tells them without a batch."""
        return tuple(site for site, _, _ in self._known.values())

    @cached_property
    def _known(self) -> dict[str, tuple[Site, Layer, Attention]]:
        """Every attention by its path."""
        axes, found = attention_axes(self.network), {}
        for name, layer, one in self.network.attentions():
            path = self.runtime.path(layer, one)
            site = Site(name, path, one.num_heads, one.kind, 0, *axes[name])
            found[path] = site, layer, one
        return found

    def named(self, names: Collection[str]) -> tuple[Site, ...]:
        """The sites of these names, in this order. Raises NeuralError NE111."""
        known = {site.name: site for site in self.sites()}
        for name in names:
            if name not in known:
                raise refuse_missing(name, known)
        return tuple(known[name] for name in dict.fromkeys(names))

    def select(self, layers: Any, batch: Batch) -> Collection[Site] | None:
        """See `Target`; layer and attention names or indices, as `select_layers` reads
        them."""
        return self.named(select_layers(self.network, layers))

    def encode(self, given: Given) -> Batch:
        """Raises NeuralError as `inputs.prepare` does."""
        refuse_prompt(given.prompt)
        prepared = prepare(self.network, given.data, given.tokens, given.seed)
        labels: dict[str, Tokens] = {}
        for name, words in prepared.tokens.items():  # the user's for one item
            others = tuple(map(str, range(len(words))))
            rows = [others] * prepared.batch_size
            if given.item in range(len(rows)):
                rows[given.item] = words
            labels[name] = tuple(rows)
        return Batch(prepared.arrays, labels, prepared.origin, prepared.network)

    def at(self, network: Network | None) -> NetworkTarget:
        """This model at other sequence lengths, with the same weights; only the model is
        built, not what trains it."""
        if network is None or network is self.network:
            return self
        compiled = generate(replace(network, task=None), self.runtime.name, "model.py")
        other = NetworkTarget(create_runtime(compiled, 0))
        weights, origin = self.runtime.weights(), self.runtime.weights_origin
        other.runtime.load_weights(weights, origin=origin)
        other._gates, other._proven = self._gates, self._proven
        return other

    def attend(
        self, batch: Batch, sites: Collection[Site] | None = None, *, visit: Visitor
    ) -> Output:
        """See `Target`. The outputs are compared the first time that a set of sites is
        asked for: what decides whether the output passes through untouched is the model,
        not the data."""
        model = self.at(batch.network)
        chosen = model.sites() if sites is None else sites
        batch = replace(batch, arrays=validated(model.network, batch.arrays))
        return super(NetworkTarget, model).attend(batch, chosen, visit=visit)

    def _site(self, path: str, number: int, scores: Scores, batch: Batch) -> Site:
        """The scores get the rule as the graph has it, apart from the mask that the kernel
        was given: the weights are checked against it."""
        site, layer, attention = self._known[path]
        if number:
            raise not_seen(site.name, number + 1)
        scores.allowed = of_attention(layer, attention, batch.arrays, scores.shape)
        return site

    def _run(self, batch: Batch) -> Output:
        return (self.runtime.run(batch.arrays),)

    def _plain(self, batch: Batch) -> Output:
        return super()._plain(batch) if self._gates else self._run(batch)


# Masks by NumPy alone: the rule of the emitted code, written a second time on purpose, for
# the captured weights are checked against it.


def evaluate(mask: Mask, inputs: Mapping[str, Any]) -> Bools:
    """The mask as an array, bool (B, T), for inputs keyed by input name."""
    match mask.operation:
        case "input":
            return np.asarray(inputs[mask.input] != 0)
        case "ones":
            batch = len(next(iter(inputs.values())))
            return np.ones((batch, mask.length), dtype=bool)
        case "concat":
            return np.concatenate(
                [evaluate(part, inputs) for part in mask.parts], axis=1
            )
        case "all":
            parts = [evaluate(part, inputs) for part in mask.parts]
            return np.asarray(np.logical_and.reduce(np.broadcast_arrays(*parts)))


def of_attention(
    layer: Layer, attention: Attention, inputs: Mapping[str, Any], shape: Sequence[int]
) -> Allowed:
    """The rule about masks of one attention of a layer; shape (B, H, Q, K).

    Queries are the layer's first input; keys are the same, or its last input (the
    memory) for cross-attention.
    """
    query = layer.inputs[0].mask
    key = layer.inputs[-1].mask if attention.kind == "cross" else query
    return Allowed(
        (shape[0], shape[2], shape[3]),
        causal=attention.kind == "causal",
        key_valid=None if key is None else evaluate(key, inputs),
        query_valid=None if query is None else evaluate(query, inputs),
    )
