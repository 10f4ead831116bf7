"""A compiled network as a target: the graph knows its sites, masks and labels."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from neural_dsl.attention.check import check_output, check_scores
from neural_dsl.attention.record import Provenance, Tokens
from neural_dsl.attention.scores import Scores
from neural_dsl.backends import create_runtime, memory
from neural_dsl.backends.inputs import sizes, validated
from neural_dsl.backends.live import Runtime, named_failure
from neural_dsl.backends.watching import Gate, Gates, Watcher
from neural_dsl.codegen.generate import generate
from neural_dsl.graph.nodes import Network
from neural_dsl.graph.positions import axes_read, ends
from neural_dsl.inputs import Prepared, prepare
from neural_dsl.targets.base import (
    Batch,
    Head,
    Output,
    Site,
    Visitor,
    not_seen,
    paused,
    places_of,
    refuse_missing,
    versions,
)
from neural_dsl.targets.masks import of_attention


@dataclass
class NetworkTarget:
    """A live model of a `.neural` file."""

    runtime: Runtime
    _proven: set[frozenset[tuple[str, int]]] = field(default_factory=set)
    _gates: Gates = field(default_factory=dict)
    _watcher: Watcher | None = None

    @property
    def network(self) -> Network:
        """The checked model graph."""
        return self.runtime.network

    def about(self) -> Provenance:
        """See `Target`."""
        backend = self.runtime.compiled.backend
        return Provenance(
            model=self.network.name,
            source=PurePath(self.network.source.name).name,
            backend=backend,
            weights=self.runtime.weights_origin,
            inputs="",
            versions=versions(backend),
        )

    def sites(self, batch: Batch | None = None) -> tuple[Site, ...]:
        """See `Target`; the graph tells them without a batch."""
        axes = axes_read(self.network)
        return tuple(
            Site(
                name,
                self.runtime.path(layer, attention),
                attention.num_heads,
                attention.kind,
                0,
                *ends(attention, axes[layer.name]),
            )
            for name, layer, attention in self.network.attentions()
        )

    def named(self, names: Collection[str]) -> tuple[Site, ...]:
        """The sites of these names, in this order. Raises NeuralError NE111."""
        known = {site.name: site for site in self.sites()}
        for name in names:
            if name not in known:
                raise refuse_missing(name, known)
        return tuple(known[name] for name in dict.fromkeys(names))

    def encode(
        self, given: Any = None, *, tokens: Any = None, seed: int = 0, item: int = 0
    ) -> Batch:
        """A path or arrays (None: a random example from `seed`), with labels for one
        `item` of the batch. Raises NeuralError as `inputs.prepare` does."""
        prepared = prepare(self.network, given, tokens, seed)
        labels = labels_of_items(prepared, item)
        return Batch(prepared.arrays, labels, prepared.origin, prepared.network)

    def at(self, network: Network | None) -> NetworkTarget:
        """This model at other sequence lengths, with the same weights; only the model is
        built, not what trains it."""
        if network is None or network is self.network:
            return self
        compiled = generate(
            replace(network, task=None), self.runtime.compiled.backend, "model.py"
        )
        other = create_runtime(compiled, 0)
        weights, origin = self.runtime.weights(), self.runtime.weights_origin
        other.load_weights(weights, origin=origin)
        return NetworkTarget(other, _gates=self._gates)

    def attend(
        self, batch: Batch, sites: Collection[Site] | None = None, *, visit: Visitor
    ) -> Output:
        """See `Target`. The first time that a set of sites is asked for, the model also
        runs without a visitor, and the outputs are compared: what decides whether the
        output passes through untouched is the model, not the data."""
        model = self.at(batch.network)
        known = model.sites()
        chosen = known if sites is None else tuple(sites)
        output = model._attend(batch, chosen, visit)
        places = frozenset(site.place for site in chosen)
        if places not in self._proven:
            plain = model._run(batch)
            check_output(plain[0], output[0])
            self._proven.add(places)
        return output

    def _attend(self, batch: Batch, sites: Collection[Site], visit: Visitor) -> Output:
        """One run in which the sites are visited and checked."""
        by_place = {site.place: site for site in sites}
        attentions = {n: (layer, one) for n, layer, one in self.network.attentions()}
        missing = {site.name: None for site in sites}
        arrays = validated(self.network, batch.arrays)

        def look(path: str, number: int, scores: Scores) -> None:
            if path not in paths:
                return  # of a module inside one that is wanted
            if number:
                raise not_seen(by_place[path, 0].name, number + 1)
            site = by_place[path, 0]
            missing.pop(site.name)
            # The rule as the graph has it, apart from the mask that the kernel was given:
            # the weights are checked against it.
            rule = of_attention(*attentions[site.name], arrays, scores.shape)
            scores.allowed = rule
            visit(site, scores)
            check_scores(site.name, scores, site.heads)

        paths = {site.path for site in sites}
        watching = self.runtime.watching(look, paths, self._gates)
        with paused(self._watcher), watching as inner:
            output = self.runtime.run(arrays)
        if self._watcher is not None:
            self._watcher.seen |= inner.seen
        for name in missing:
            raise not_seen(name)
        return (output,)

    def _run(self, batch: Batch) -> Output:
        """The model without a visitor, gated if it is."""
        if self._watcher is not None or not self._gates:
            return (self.runtime.run(batch.arrays),)
        with self.runtime.watching(None, None, self._gates):
            return (self.runtime.run(batch.arrays),)

    @contextmanager
    def gated(self, gates: Mapping[Head, Gate]) -> Iterator[None]:
        """See `Target`. Whatever runs the live model meanwhile runs it gated, the emitted
        file's own `evaluate` as well."""
        sites = self.sites()
        added = places_of(gates, sites)
        before = self._gates, self._watcher
        places = {**self._gates}
        for place, heads in added.items():
            places[place] = {**places.get(place, {}), **heads}
        paths = {path for path, _ in places}
        with paused(self._watcher), self.runtime.watching(None, paths, places) as one:
            self._gates, self._watcher = places, one
            try:
                with named_failure("NE109", "the model cannot run on these inputs"):
                    yield
            finally:
                self._gates, self._watcher = before
        for site in sites:
            if site.place in added and site.place not in one.seen:
                raise not_seen(site.name)

    def refuse_dense(self, batch: Batch, sites: Collection[Site] | None) -> None:
        """See `Target`."""
        network = batch.network or self.network
        memory.refuse_if_too_large(
            network,
            *sizes(network, validated(network, batch.arrays)),
            None if sites is None else [site.name for site in sites],
            holds=self.runtime.holds,
        )


def labels_of_items(prepared: Prepared, labelled: int) -> dict[str, Tokens]:
    """The labels of every batch item, by input: the user's for one, else positions."""
    return {
        name: tuple(
            words if item == labelled else tuple(map(str, range(len(words))))
            for item in range(prepared.batch_size)
        )
        for name, words in prepared.tokens.items()
    }
