"""Weights under the names that a framework itself gives them.

A file may hold canonical names, or what one saves from an emitted model with the
framework's own means: `model.state_dict()` of PyTorch (`transformer_decoders.0.…`), or the
variables of a Keras model by their paths (`dense/kernel`). Either is told from its names
alone, whatever backend the weights are for, and comes out canonical.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from neural_dsl.backends.base import Arrays
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.codegen.generate import CompiledModel, generate
from neural_dsl.diagnostics import NeuralError
from neural_dsl.graph.nodes import Network

Order: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Naming:
    """One way to name the weights of a network: name -> (canonical name, order of axes
    that makes the array canonical), and the names that are none of weights."""

    names: Mapping[str, tuple[str, Order]]
    beside: frozenset[str] = frozenset()

    def fits(self, arrays: Arrays) -> bool:
        """Whether the arrays are these weights, all of them and nothing else."""
        return set(arrays) - self.beside == set(self.names)

    def known(self, arrays: Arrays) -> int:
        """How many of the arrays have a name here."""
        return len(set(arrays) & set(self.names))

    def canonical(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """The arrays under canonical names; a name that is unknown stays as it is."""
        found = {}
        for name, array in arrays.items():
            if name in self.beside:
                continue
            own, order = self.names.get(name, (name, ()))
            turns = len(order) == np.ndim(array)  # else the shape is refused later
            found[own] = np.transpose(array, order) if turns else np.asarray(array)
        return found


def canonical_arrays(compiled: CompiledModel, arrays: Arrays) -> Arrays:
    """The arrays under canonical names, in canonical layouts.

    A name that belongs to no way of naming stays as it is, for `canonical.validated` to
    refuse. No name means one weight here and another there (a test tells), so the way
    that knows most of the names is the right one.
    """
    ways = [canonical_naming(compiled.network)]
    if not ways[0].fits(arrays):
        ways += [own_naming(compiled, backend) for backend in BACKENDS]
    fitting = [way for way in ways if way.fits(arrays)]
    best = fitting[0] if fitting else max(ways, key=lambda way: way.known(arrays))
    return best.canonical(arrays)


def canonical_naming(network: Network) -> Naming:
    """The names of docs/weights.md."""
    return Naming(
        {
            f"{layer.name}.{weight.name}": (
                f"{layer.name}.{weight.name}",
                tuple(range(len(weight.shape))),
            )
            for layer in network.layers()
            for weight in layer.weights
        },
    )


def own_naming(compiled: CompiledModel, backend: str) -> Naming:
    """The names that a file saved with this backend's own means holds, of the model that
    is emitted for it; none where the network cannot be emitted for it."""
    network, paths = compiled.network, compiled.paths
    if backend != compiled.backend:
        try:
            paths = generate(network, backend, "").paths
        except NeuralError:
            return Naming({})
    named = BACKENDS[backend].own_name
    names: dict[str, tuple[str, Order]] = {}
    beside: set[str] = set()
    for layer in network.layers():
        if not layer.weights:
            continue
        path = paths[layer.name]
        beside.update(
            named(f"{path}.{name}") for name in layer.spec.beside.get(backend, ())
        )
        for weight in layer.weights:
            own = named(f"{path}.{weight.place(backend)}")
            canonical = f"{layer.name}.{weight.name}"
            names[own] = (canonical, weight.array.order(backend))
    return Naming(names, frozenset(beside))
