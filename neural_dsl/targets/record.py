"""From any target to an AttentionRecord."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import prod

from neural_dsl.attention.record import LABELLED, AttentionRecord, LayerAttention
from neural_dsl.attention.scores import Scores
from neural_dsl.backends import memory
from neural_dsl.backends.inputs import sizes
from neural_dsl.targets.base import Batch, Site, Target


def record(
    target: Target, batch: Batch, sites: Collection[Site] | None = None
) -> AttentionRecord:
    """Every weight of these sites (None: all), while the target reads the batch.

    Raises NeuralError NE108 where they would not fit in memory, and as `attend` does.
    """
    if batch.network is not None:  # otherwise nothing is known before the model runs
        names = None if sites is None else [site.name for site in sites]
        at, holds = sizes(batch.network, batch.arrays), target.live.holds
        memory.refuse_if_too_large(batch.network, *at, names, holds=holds)
    layers: list[LayerAttention] = []

    def keep(site: Site, scores: Scores) -> None:
        weights = scores.dense(memory.limit_for(4 * prod(scores.shape)))
        queries, keys = batch.labels(site.queries), batch.labels(site.keys)
        allowed, expected = scores.allowed, None
        if queries in batch.tokens.values():  # they are the positions of what is read
            expected = batch.expected if keys == queries else None
            if batch.valid is not None:
                allowed = replace(allowed, query_valid=batch.valid)
        named = site.name, site.kind, weights, allowed
        layers.append(LayerAttention(*named, queries, keys, expected))

    target.attend(batch, sites, visit=keep)
    order = [site.name for site in target.sites()]
    layers.sort(key=lambda layer: order.index(layer.name))
    labelled = any(one.query_tokens or one.key_tokens for one in layers)
    origin = batch.origin if labelled else batch.origin.removeprefix(LABELLED)
    return AttentionRecord(tuple(layers), replace(target.about(), inputs=origin))
