"""What all that can be looked at has in common: a model, its attentions, what it reads.

    target = NetworkTarget(runtime)                 # or RunTarget, ModuleTarget
    batch = target.encode(data)
    target.attend(batch, visit=lambda site, scores: …)

No picture, metric or command asks what kind of model it has before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from neural_dsl import __version__
from neural_dsl.attention.record import Kind, Provenance, Tokens
from neural_dsl.attention.scores import Scores
from neural_dsl.backends.watching import NAMED, Gate, Watcher
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.graph.nodes import Network
from neural_dsl.graph.positions import Axis
from neural_dsl.inputs.labels import labels_of

Head: TypeAlias = tuple[str, int | None]
"""The name of a site, and which of its heads (None: all)."""

Visitor: TypeAlias = "Callable[[Site, Scores], None]"
Output: TypeAlias = tuple[npt.NDArray[np.floating], ...]
"""Every array that the model gives, in order."""


@dataclass(frozen=True)
class Site:
    """One attention of a model.

    - `name`: unique in the model; in files, reports and `--layer`.
    - `path`: the module that computes it, in the live model; `call`: which of the
      module's attentions in one run, counted from 0.
    - `heads`: how many; `kind`: "self", "causal" or "cross".
    - `queries`, `keys`: which positions of which inputs stand along its axes, None where
      nobody knows.
    """

    name: str
    path: str
    heads: int
    kind: Kind
    call: int = 0
    queries: Axis | None = None
    keys: Axis | None = None

    @property
    def place(self) -> tuple[str, int]:
        """Where backends see it."""
        return self.path, self.call


@dataclass(frozen=True)
class Batch:
    """What a model reads.

    - `arrays`: by input, or by parameter of the model's call; batch first.
    - `tokens`: labels of the positions of an input, one tuple a batch item.
    - `origin`: what provenance says of them: "random, seed 0", "X.npy".
    - `network`: the model graph at the lengths of these arrays, for what has one.
    """

    arrays: Mapping[str, Any]
    tokens: Mapping[str, Tokens] = field(default_factory=dict)
    origin: str = "given"
    network: Network | None = None

    def labels(self, axis: Axis | None) -> Tokens | None:
        """The labels of an axis of a site, None where no token is known."""
        if axis is None or not self.tokens:
            return None
        arrays = self.arrays.items()
        lengths = {name: each.shape[1] for name, each in arrays if each.ndim > 1}
        return labels_of(axis, self.tokens, lengths)


class Target(Protocol):
    """A model that can be looked at, whatever it is."""

    def about(self) -> Provenance:
        """What it is; its `inputs` are empty, for those are the batch's."""
        ...

    def sites(self, batch: Batch | None = None) -> tuple[Site, ...]:
        """Every attention, in the model's order. A model that is not described by a graph
        is run on `batch` to find out; without one it tells what it saw last."""
        ...

    def encode(self, given: Any = None) -> Batch:
        """What the model is to read, checked: arrays, or what else the target knows to
        read; None for an example of the target's choice."""
        ...

    def attend(
        self, batch: Batch, sites: Collection[Site] | None = None, *, visit: Visitor
    ) -> Output:
        """Run the model once, on its own fused kernels, and let `visit` look at the
        scores of these sites (None: all) while they exist: it keeps what it needs.

        Each is checked (`attention.check`), and the output is that of the model without
        a visitor. Raises NeuralError: NE107 where a check fails, NE109 and NE110 for
        inputs that do not fit, NE111 for an attention that could not be seen.
        """
        ...

    def gated(self, gates: Mapping[Head, Gate]) -> AbstractContextManager[None]:
        """While this lasts, the model runs with these heads changed, `attend` too. Raises
        NeuralError NE111 for a head that there is not."""
        ...

    def refuse_dense(self, batch: Batch, sites: Collection[Site] | None) -> None:
        """Raise NeuralError NE108 where all weights of these sites (None: all) would take
        more memory than there is, as far as that is known before the model runs."""
        ...


def refuse_missing(name: str, existing: Collection[str]) -> NeuralError:
    """NE111: no such attention."""
    names = list(existing)
    guess = closest(name, names)
    hint = f"did you mean `{guess}`? " if guess else ""
    listed = ", ".join(f"`{one}`" for one in names[:8])
    rest = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return refusal(
        "NE111",
        f"the model has no attention named `{name}`",
        help=f"{hint}it has {listed}{rest}" if names else "it has no attention",
    )


def not_seen(name: str, times: int = 0) -> NeuralError:
    """NE111: an attention that was seen never, or more often than there is."""
    often = f"{times} times" if times else "never"
    return refusal(
        "NE111",
        f"the attention of `{name}` cannot be captured: it was computed {often} in "
        "one run, where capture can see it",
        help="please report this with the file and the output of `neural version`",
    )


def places_of(
    gates: Mapping[Head, Gate], sites: Collection[Site]
) -> dict[tuple[str, int], dict[int | None, Gate]]:
    """The gates by place. Raises NE111 for a site or a head that there is not."""
    known = {site.name: site for site in sites}
    found: dict[tuple[str, int], dict[int | None, Gate]] = {}
    for (name, head), gate in gates.items():
        if name not in known:
            raise refuse_missing(name, known)
        site = known[name]
        if head is not None and not 0 <= head < site.heads:
            raise refusal(
                "NE111",
                f"`{name}` has no head {head}",
                help=f"its heads are 0 to {site.heads - 1}",
            )
        if not isinstance(gate, np.ndarray) and gate not in NAMED:
            raise refusal(
                "NE111",
                f"a head can be made {', '.join(NAMED)}, or given an array; not {gate!r}",
            )
        found.setdefault(site.place, {})[head] = gate
    return found


@contextmanager
def paused(watcher: Watcher | None) -> Iterator[None]:
    """While this lasts, the watcher does nothing: another one gates in its place."""
    if watcher is None:
        yield
        return
    watcher.paused = True
    try:
        yield
    finally:
        watcher.paused = False


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
