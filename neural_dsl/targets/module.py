"""Any live PyTorch module or Keras model as a target, not emitted by us.

What its attentions are is known only once it ran. Their names are the paths of their
modules; a module that attends again in one run is called `path#1`, `path#2`, ….
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neural_dsl.attention.record import Kind, Provenance
from neural_dsl.attention.scores import Scores
from neural_dsl.backends import foreign_model
from neural_dsl.diagnostics import refusal
from neural_dsl.inputs.selection import wishes
from neural_dsl.source import Source
from neural_dsl.targets.base import (
    Batch,
    Given,
    Output,
    Site,
    Target,
    refuse_missing,
    refuse_options,
    refuse_prompt,
    refused,
    versions,
)


def opened(
    given: Any, *, weights: Any, backend: Any, network: Any, **_: Any
) -> ModuleTarget | None:
    """A live module, for what is no path and no text."""
    if isinstance(given, (str, Path, Source)):
        return None
    refuse_options("a live module", weights, backend, network)
    return ModuleTarget(given)


class ModuleTarget(Target):
    """A live model of a framework, in the mode (training or evaluation) that it is in.

    Masks are those that the kernel was given. PyTorch's fast path through
    `nn.TransformerEncoder`, which answers padded positions with 0, is off whenever it is
    looked at. Raises NeuralError NE111 for what is neither a `torch.nn.Module` nor a
    Keras model.
    """

    def __init__(self, model: Any, weights: str = "given"):
        """`weights` is what provenance says of them."""
        super().__init__(foreign_model(model))
        self.weights = weights

    def __repr__(self) -> str:
        """What it is, in a line."""
        return f"<ModuleTarget {self.about().model}>"

    def about(self) -> Provenance:
        """See `Target`."""
        kind, name = type(self.live.model), self.live.name
        return Provenance(
            kind.__name__, kind.__module__, name, self.weights, "", versions(name)
        )

    def sites(self, batch: Batch | None = None) -> tuple[Site, ...]:
        """See `Target`."""
        if batch is not None:
            self.attend(batch, visit=lambda site, scores: None)
        return self._seen

    def select(self, layers: Any, batch: Batch) -> list[Site] | None:
        """See `Target`: by name, or counted from 0. Raises NeuralError NE111."""
        wanted = wishes(layers)
        if not wanted:
            return None
        found = self.sites(batch)
        named: dict[Any, Site] = {
            **dict(enumerate(found)),
            **{s.name: s for s in found},
        }
        for one in wanted:
            if one not in named:
                raise refuse_missing(str(one), [site.name for site in found])
        return [named[one] for one in wanted]

    def encode(self, given: Given) -> Batch:
        """The arguments of the model's call, by name; one array alone is its first."""
        refuse_prompt(given.prompt)
        if given.tokens is not None:
            raise refused("nobody knows which input of a live module tokens label")
        data = given.data
        if data is None:
            help = "give the arguments of its call by name, as a dict of arrays"
            raise refusal("NE110", "nobody knows what this model reads", help=help)
        named = isinstance(data, Mapping)
        return Batch(dict(data) if named else {self.live.parameters()[0]: data})

    def _run(self, batch: Batch) -> Output:
        output: Output = self.live.run(batch.arrays)
        return output

    def _trusted(self, places: frozenset[tuple[str, int]]) -> bool:
        """A model in training is random, and changes its statistics; of any other, what
        passes through untouched may hang on the data."""
        return bool(self.live.training)

    def _site(self, path: str, number: int, scores: Scores, batch: Batch) -> Site:
        """Its kind is told from its mask and its lengths: as many queries as keys count
        as one sequence."""
        _, heads, queries, keys = scores.shape
        kind: Kind = "self" if queries == keys else "cross"
        if scores.allowed.causal:
            kind = "causal"
        name = path or "model"
        return Site(f"{name}#{number}" if number else name, path, heads, kind, number)
