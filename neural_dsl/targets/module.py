"""Any live PyTorch module or Keras model as a target, not emitted by us.

What its attentions are is known only once it ran. Their names are the paths of their
modules; a module that attends again in one run is called `path#1`, `path#2`, ….
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from neural_dsl.attention.check import check_output, check_scores
from neural_dsl.attention.record import Kind, Provenance
from neural_dsl.attention.scores import Scores
from neural_dsl.backends import foreign_model
from neural_dsl.backends.live import named_failure
from neural_dsl.backends.watching import Gate, Gates, Watcher
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.targets.base import (
    Batch,
    Head,
    Output,
    Site,
    Visitor,
    not_seen,
    paused,
    places_of,
    versions,
)


class ModuleTarget:
    """A live model of a framework, in the mode (training or evaluation) that it is in.

    Raises NeuralError NE111 for what is neither a `torch.nn.Module` nor a Keras model.
    """

    def __init__(self, model: Any, weights: str = "given"):
        """`weights` is what provenance says of them."""
        self.model = foreign_model(model)
        self.weights = weights
        self._seen: tuple[Site, ...] = ()
        self._gates: Gates = {}
        self._watcher: Watcher | None = None

    def __repr__(self) -> str:
        """What it is, in a line."""
        return f"<ModuleTarget {self.about().model}>"

    def about(self) -> Provenance:
        """See `Target`."""
        kind = type(self.model.model)
        return Provenance(
            model=kind.__name__,
            source=kind.__module__,
            backend=self.model.name,
            weights=self.weights,
            inputs="",
            versions=versions(self.model.name),
        )

    def sites(self, batch: Batch | None = None) -> tuple[Site, ...]:
        """See `Target`."""
        if batch is not None:
            self.attend(batch, visit=lambda site, scores: None)
        return self._seen

    def encode(self, given: Any = None) -> Batch:
        """The arguments of the model's call, by name; one array alone is its first."""
        if given is None:
            raise refusal(
                "NE110",
                "nobody knows what this model reads",
                help="give the arguments of its call by name, as a dict of arrays",
            )
        if not isinstance(given, Mapping):
            given = {self.model.parameters()[0]: given}
        return Batch(dict(given))

    def attend(
        self, batch: Batch, sites: Collection[Site] | None = None, *, visit: Visitor
    ) -> Output:
        """See `Target`. The output is compared with that of a run without a visitor in
        evaluation; a model in training is random, and changes its statistics.

        Masks are those that the kernel was given. PyTorch's fast path through
        `nn.TransformerEncoder` is off in both runs: it answers padded positions with 0.
        """
        wanted = None if sites is None else {site.place for site in sites}
        found: list[Site] = []

        def look(path: str, number: int, scores: Scores) -> None:
            site = site_of(path, number, scores)
            found.append(site)
            if wanted is None or site.place in wanted:
                visit(site, scores)
                check_scores(site.name, scores, site.heads)

        paths = None if wanted is None else {path for path, _ in wanted}
        with named_failure("NE109", "the model cannot run on these inputs"):
            # First without a visitor: Keras builds some layers when they first run.
            plain: Output | None = None
            if not self.model.training:
                gated = {path for path, _ in self._gates}
                with self.model.watching(None, gated, self._gates):
                    plain = self.model.run(batch.arrays)
            watching = self.model.watching(look, paths, self._gates)
            with paused(self._watcher), watching:
                output: Output = self.model.run(batch.arrays)
            if plain is not None:
                for one, other in zip(plain, output, strict=True):
                    check_output(one, other)
        if wanted is None:
            self._seen = tuple(found)
        if not found:
            raise nothing_seen()
        missing = (wanted or set()) - {site.place for site in found}
        for site in sites or ():
            if site.place in missing:
                raise not_seen(site.name)
        return output

    @contextmanager
    def gated(self, gates: Mapping[Head, Gate]) -> Iterator[None]:
        """See `Target`; the sites are those that were seen last."""
        places = places_of(gates, self._seen)
        before = self._gates, self._watcher
        with self.model.watching(None, {path for path, _ in places}, places) as one:
            self._gates, self._watcher = places, one
            try:
                yield
            finally:
                self._gates, self._watcher = before

    def refuse_dense(self, batch: Batch, sites: Collection[Site] | None) -> None:
        """See `Target`: nothing is known before the model runs."""


def site_of(path: str, number: int, scores: Scores) -> Site:
    """The site of an attention that was just computed. Its kind is told from its mask and
    its lengths: as many queries as keys count as one sequence."""
    _, heads, queries, keys = scores.shape
    kind: Kind = "self" if queries == keys else "cross"
    if scores.allowed.causal:
        kind = "causal"
    name = path or "model"
    return Site(f"{name}#{number}" if number else name, path, heads, kind, number)


def nothing_seen() -> NeuralError:
    """NE111: a model whose attention does not go through functions that we know."""
    return refusal(
        "NE111",
        "no attention of this model could be seen",
        help="seen are scaled_dot_product_attention and nn.MultiheadAttention of "
        "PyTorch, and Keras' attention layers; not traced models",
    )
