"""All weights of a live model's attentions, for tests that compare them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neural_dsl.targets.base import Batch
from neural_dsl.targets.network import NetworkTarget


@dataclass
class Captured:
    """`output`: the model's logits; `weights`: attention name -> (B, H, Q, K)."""

    output: np.ndarray
    weights: dict[str, np.ndarray]


def capture(runtime, inputs, names=None) -> Captured:
    """What the model gives for these inputs, and the weights of these attentions."""
    target = NetworkTarget(runtime)
    sites = target.sites() if names is None else target.named(names)
    found = {}
    (output,) = target.attend(
        Batch(inputs),
        sites,
        visit=lambda site, scores: found.update({site.name: scores.dense()}),
    )
    return Captured(output, {site.name: found[site.name] for site in sites})


def run_uniform(runtime, inputs, names):
    """The output where these attentions look everywhere alike."""
    with NetworkTarget(runtime).gated({(name, None): "uniform" for name in names}):
        return runtime.run(inputs)
