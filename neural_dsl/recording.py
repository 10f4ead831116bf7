"""From captured arrays to an AttentionRecord: masks, token labels, provenance."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

from neural_dsl import __version__
from neural_dsl.attention.record import (
    LABELLED,
    AttentionRecord,
    LayerAttention,
    Provenance,
    Tokens,
)
from neural_dsl.backends.masks import of_attention
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.graph.positions import axes_read, ends
from neural_dsl.inputs import Prepared
from neural_dsl.inputs.labels import labels_of


def assemble(
    prepared: Prepared,
    weights: Mapping[str, npt.NDArray[np.float32]],
    backend: str,
    weights_origin: str,
    labelled_item: int = 0,
    tokens: Mapping[str, Tokens] | None = None,
) -> AttentionRecord:
    """The record of one captured run.

    `weights`: attention name -> float32 (batch, heads, query, key). The token labels of
    `prepared` belong to the batch item `labelled_item`; other items are labelled by
    position. `tokens` instead labels every item, by input.
    """
    network = prepared.network
    axes = axes_read(network)
    if tokens is None:
        tokens = for_items(prepared, labelled_item)
    lengths = {
        item.name: prepared.arrays[item.name].shape[1]
        for item in network.inputs
        if item.is_sequence
    }
    layers = []
    for name, layer, attention in network.attentions():
        if name not in weights:
            continue
        masks = of_attention(layer, attention, prepared.arrays, weights[name].shape)
        queries, keys = ends(attention, axes[layer.name])
        layers.append(
            LayerAttention(
                name,
                attention.kind,
                weights[name],
                masks,
                labels_of(queries, tokens, lengths),
                labels_of(keys, tokens, lengths),
            )
        )
    labelled = any(one.query_tokens or one.key_tokens for one in layers)
    provenance = Provenance(
        model=network.name,
        source=PurePath(network.source.name).name,
        backend=backend,
        weights=weights_origin,
        inputs=prepared.origin if labelled else prepared.origin.removeprefix(LABELLED),
        versions=versions(backend),
    )
    return AttentionRecord(tuple(layers), provenance)


def for_items(prepared: Prepared, labelled: int) -> dict[str, Tokens]:
    """The labels of every batch item, by input: the user's for one, else positions."""
    return {
        name: tuple(
            words if item == labelled else tuple(map(str, range(len(words))))
            for item in range(prepared.batch_size)
        )
        for name, words in prepared.tokens.items()
    }


def versions(backend: str) -> dict[str, str]:
    """Names and versions of what computed a record."""
    found = {"neural-dsl": __version__, "numpy": np.__version__}
    for name in BACKENDS[backend].distributions:
        try:
            found[name] = metadata.version(name)
            break
        except metadata.PackageNotFoundError:
            continue
    return found
