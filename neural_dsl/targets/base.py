"""What all that can be looked at has in common: a model, its attentions, what it reads.

    batch = target.encode(Given(data))
    target.attend(batch, visit=lambda site, scores: …)

No picture, metric or command asks what kind of model it has before it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from neural_dsl import __version__
from neural_dsl.attention.allowed import Bools
from neural_dsl.attention.check import check_output, check_scores
from neural_dsl.attention.record import Kind, Provenance, Tokens
from neural_dsl.attention.scores import Scores
from neural_dsl.backends.live import named_failure
from neural_dsl.backends.watching import NAMED, Gate, Gates, Watcher
from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.graph.nodes import Network
from neural_dsl.inputs.labels import Axis, labels_of

SEEN = (
    "seen are scaled_dot_product_attention and nn.MultiheadAttention of PyTorch, and "
    "Keras' attention layers; not traced models"
)

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
    - `queries`, `keys`: which positions of which inputs stand along its axes, if known.
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
    - `valid`: bool (batch, T), where the labelled input is not padding, None for all;
      `expected`: bool (batch, T, T), where a model that solves its task must look.
    """

    arrays: Mapping[str, Any]
    tokens: Mapping[str, Tokens] = field(default_factory=dict)
    origin: str = "given"
    network: Network | None = None
    valid: Bools | None = None
    expected: Bools | None = None

    def labels(self, axis: Axis | None) -> Tokens | None:
        """The labels of an axis of a site, None where no token is known."""
        if axis is None or not self.tokens:
            return None
        arrays = self.arrays.items()
        lengths = {name: each.shape[1] for name, each in arrays if each.ndim > 1}
        return labels_of(axis, self.tokens, lengths)


@dataclass(frozen=True)
class Given:
    """What a user gives a model to read: `data`, a path, an array or arrays by name;
    `tokens`, which label one `item` of the batch; or a `prompt`. Without any the target
    chooses an example, drawn from `seed` where it is random."""

    data: Any = None
    tokens: Any = None
    prompt: str | None = None
    seed: int = 0
    item: int = 0


class Target(ABC):
    """A model that can be looked at, whatever it is: a `live` one of a backend, and what
    is done to its heads meanwhile.

    A kind of target is a file in this folder with a class like this, and a function
    `opened(given, *, weights, backend, seed, network, trust)` that `api.open` asks in
    turn (a path comes as a Path): the target, or None for what is of another kind.
    """

    def __init__(self, live: Any):
        """`live` runs and can be watched (`backends.live.Watched`)."""
        self.live = live
        self._gates: Gates = {}
        self._watcher = Watcher(None, {})  # of the gates that are in place
        self._seen: tuple[Site, ...] = ()  # in the last run that nobody chose from
        self._proven: set[frozenset[tuple[str, int]]] = set()

    @abstractmethod
    def about(self) -> Provenance:
        """What it is; its `inputs` are empty, for those are the batch's."""

    @abstractmethod
    def sites(self, batch: Batch | None = None) -> tuple[Site, ...]:
        """Every attention, in the model's order. A model that is not described by a graph
        is run on `batch` to find out; without one it tells what it saw last."""

    @abstractmethod
    def select(self, layers: Any, batch: Batch) -> Collection[Site] | None:
        """The sites that a user names, one or several; None for all."""

    @abstractmethod
    def encode(self, given: Given) -> Batch:
        """What the model is to read, checked."""

    def attend(
        self, batch: Batch, sites: Collection[Site] | None = None, *, visit: Visitor
    ) -> Output:
        """Run the model once, on its own fused kernels, and let `visit` look at the
        scores of these sites (None: all) while they exist: it keeps what it needs.

        Each is checked (`attention.check`), and the output is that of the model without
        a visitor. Raises NeuralError: NE107 where a check fails, NE109 and NE110 for
        inputs that do not fit, NE111 for an attention that could not be seen.
        """
        wanted = frozenset(site.place for site in sites or ())
        paths = None if sites is None else {path for path, _ in wanted}
        found: dict[tuple[str, int], Site] = {}

        def look(path: str, number: int, scores: Scores) -> None:
            if paths is not None and path not in paths:
                return  # of a module inside one that is wanted
            site = self._site(path, number, scores, batch)
            found[site.place] = site
            if sites is None or site.place in wanted:
                visit(site, scores)
                check_scores(site.name, scores, site.heads)

        with named_failure("NE109", "the model cannot run on these inputs"):
            # First without a visitor: Keras builds some layers when they first run.
            plain = None if self._trusted(wanted) else self._plain(batch)
            watching = self.live.watching(look, paths, self._gates)
            with paused(self._watcher), watching as inner:
                output = self._run(batch)
            if plain is not None:
                for one, other in zip(plain, output, strict=True):
                    check_output(one, other)
                self._proven.add(wanted)
        self._watcher.seen |= inner.seen
        for site in sites or ():
            if site.place not in found:
                raise not_seen(site.name)
        if sites is None:
            self._seen = tuple(found.values())
        if sites is None and not found:
            raise refusal(
                "NE111", "no attention of this model could be seen", help=SEEN
            )
        return output

    @abstractmethod
    def _site(self, path: str, number: int, scores: Scores, batch: Batch) -> Site:
        """The site of an attention that was just computed. May tell the scores what the
        kernel does not know."""

    def _trusted(self, places: frozenset[tuple[str, int]]) -> bool:
        """Whether the output need not be compared with that of a run without a visitor."""
        return places in self._proven

    @abstractmethod
    def _run(self, batch: Batch) -> Output:
        """The live model's output."""

    def _plain(self, batch: Batch) -> Output:
        """The same without a visitor, gated if it is."""
        if self._watcher.gates:
            return self._run(batch)
        paths = {path for path, _ in self._gates}
        with self.live.watching(None, paths, self._gates):
            return self._run(batch)

    @contextmanager
    def gated(self, gates: Mapping[Head, Gate]) -> Iterator[None]:
        """While this lasts, the model runs with these heads changed: `attend`, and
        whatever else runs it, the emitted file's own `evaluate` as well. Raises
        NeuralError NE111 for a head that there is not, or that no run came by."""
        sites = self.sites()
        added = places_of(gates, sites)
        before = self._gates, self._watcher
        places = {**self._gates}
        for place, heads in added.items():
            places[place] = {**places.get(place, {}), **heads}
        paths = {path for path, _ in places}
        with paused(self._watcher), self.live.watching(None, paths, places) as one:
            self._gates, self._watcher = places, one
            try:
                with named_failure("NE109", "the model cannot run on these inputs"):
                    yield
            finally:
                self._gates, self._watcher = before
        for site in sites:
            if site.place in added and site.place not in one.seen:
                raise not_seen(site.name)


def refused(message: str, help: str = "") -> NeuralError:
    """NE112: what cannot be opened, or not be read so."""
    return refusal("NE112", message, help=help)


def refuse_prompt(prompt: str | None) -> None:
    """Raise NE112 for a text where nobody knows how to read it."""
    if prompt is not None:
        raise refused(
            "a prompt is for the run of a task, which knows how to read it",
            "label positions with `tokens`, or give arrays as `data`",
        )


def refuse_options(what: str, *given: Any) -> None:
    """NE112 for options that mean nothing here: dropping them would be a lie."""
    if any(one is not None for one in given):
        message = f"{what} has its own weights, backend and network"
        raise refused(message, "leave these arguments out")


def refuse_missing(name: str, existing: Collection[str]) -> NeuralError:
    """NE111: no such attention."""
    names = list(existing)
    guess = closest(name, names)
    hint = f"did you mean `{guess}`? " if guess else ""
    listed = ", ".join(f"`{one}`" for one in names[:8])
    rest = f" and {len(names) - 8} more" if len(names) > 8 else ""
    help = f"{hint}it has {listed}{rest}" if names else "it has no attention"
    return refusal("NE111", f"the model has no attention named `{name}`", help=help)


def not_seen(name: str, times: int = 0) -> NeuralError:
    """NE111: an attention that was seen never, or more often than there is."""
    often = f"{times} times" if times else "never"
    message = f"the attention of `{name}` cannot be captured: it was computed {often}"
    help = "please report this with the file and the output of `neural version`"
    message += " in one run, where capture can see it"
    return refusal("NE111", message, help=help)


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
            help = f"its heads are 0 to {site.heads - 1}"
            raise refusal("NE111", f"`{name}` has no head {head}", help=help)
        if not isinstance(gate, np.ndarray) and gate not in NAMED:
            kinds = ", ".join(NAMED)
            message = f"a head can be made {kinds}, or given an array; not {gate!r}"
            raise refusal("NE111", message)
        found.setdefault(site.place, {})[head] = gate
    return found


@contextmanager
def paused(watcher: Watcher) -> Iterator[None]:
    """While this lasts, the watcher does nothing: another one gates in its place."""
    watcher.paused = True
    try:
        yield
    finally:
        watcher.paused = False


def versions(backend: str) -> dict[str, str]:
    """Names and versions of what computed a record; NumPy alone for what is no backend."""
    found = {"neural-dsl": __version__, "numpy": np.__version__}
    known = BACKENDS.get(backend)
    for name in known.distributions if known else ():
        with suppress(metadata.PackageNotFoundError):
            return {**found, name: metadata.version(name)}
    return found
