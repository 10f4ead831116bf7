"""The AttentionRecord: what every picture, metric and report is made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from neural_dsl.attention.allowed import Allowed, Bools, Which
from neural_dsl.attention.metrics import Floats, measure
from neural_dsl.diagnostics import refusal

LABELLED = "labels; input "
"""How the origin of input begins whose tokens are labels alone."""

Kind: TypeAlias = Literal["self", "causal", "cross"]
Tokens: TypeAlias = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class LayerAttention:
    """One attention's weights over a batch.

    - `name`: the attention name, `transformer_encoder` or
      `transformer_decoder.cross_attention`.
    - `weights`: float32 (batch, heads, query, key). A row with a valid key sums to 1; a
      masked cell is 0; a row without any valid key is all 0. Pictures and reports read
      them by `rows`, `tile` and `values`.
    - `allowed`: which keys each query may attend to, and which queries are padding.
    - `query_tokens`, `key_tokens`: labels, one tuple a batch item, None when unknown.
    - `expected`: bool (batch, query, key), True where a model that solves its task must
      look, None when no such thing is known.

    The arrays are read-only; copy one to change it.
    """

    name: str
    kind: Kind
    weights: npt.NDArray[np.float32]
    allowed: Allowed
    query_tokens: Tokens | None = None
    key_tokens: Tokens | None = None
    expected: Bools | None = None

    def __post_init__(self) -> None:
        """Show the arrays read-only: what was seen does not change afterwards."""
        batch, _, queries, keys = self.weights.shape
        if self.allowed.shape != (batch, queries, keys):
            raise ValueError(f"a rule for {self.allowed.shape}, not {self.shape}")
        for name in ("weights", "expected"):
            array = getattr(self, name)
            if array is not None:
                view = array.view()
                view.flags.writeable = False
                object.__setattr__(self, name, view)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(batch, heads, query, key)."""
        batch, heads, queries, keys = self.weights.shape
        return batch, heads, queries, keys

    @property
    def num_heads(self) -> int:
        """The number of heads."""
        return self.shape[1]

    @property
    def key_mask(self) -> Bools | None:
        """bool (batch, key), True where the key is valid, None when all are."""
        return self.allowed.key_valid

    @property
    def query_mask(self) -> Bools | None:
        """bool (batch, query), likewise. Padded queries do attend; metrics leave their
        rows out."""
        return self.allowed.query_valid

    def rows(self, queries: Which) -> npt.NDArray[np.float32]:
        """The chosen rows: float32 (batch, heads, chosen queries, key)."""
        return self.weights[:, :, queries]

    def tile(self, item: int, head: int | None = None) -> npt.NDArray[np.floating]:
        """(query, key) of one batch item: of one head, or the mean of them (float64)."""
        one = self.weights[item]
        return np.asarray(one.mean(0, dtype=np.float64) if head is None else one[head])

    def __repr__(self) -> str:
        """The name and the shape."""
        return f"{self.name} {self.shape}"

    def values(self) -> dict[str, Floats]:
        """Every registered metric: name -> (heads,), NaN where undefined."""
        return measure(self.weights, self.allowed, self.kind != "cross")


@dataclass(frozen=True)
class Provenance:
    """What a picture shows, in words; printed on every figure and stored in every file.

    - `model`: the network's name; `source`: the file it came from.
    - `backend`: "pytorch" or "tensorflow", or what else computed it.
    - `weights`: "random, seed 0", "weights from W.safetensors", "given" (by a program)
      or "run DIR, step 400, best".
    - `inputs`: "random, seed 0", "X.npy", "labels; input random, seed 0".
    - `versions`: names and versions of what computed it.
    """

    model: str
    source: str
    backend: str
    weights: str
    inputs: str
    versions: dict[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """One line for a title: model, backend, weights, input."""
        named = self.weights.startswith("weights ")
        weights = self.weights if named else f"weights: {self.weights}"
        return f"{self.model} · {self.backend} · {weights} · input: {self.inputs}"


@dataclass(frozen=True)
class AttentionRecord:
    """The attentions of one run of one model, in the model's order."""

    layers: tuple[LayerAttention, ...]
    provenance: Provenance

    def __getitem__(self, name: str | int) -> LayerAttention:
        """An attention by its name, or counted from 0. Raises KeyError, which names what
        there is, or IndexError."""
        if not isinstance(name, str):
            return self.layers[name]
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = ", ".join(repr(layer.name) for layer in self.layers)
        raise KeyError(f"no attention {name!r}; there is {names or 'none'}")

    def __contains__(self, name: object) -> bool:
        """Whether there is an attention of that name, or this very one."""
        return any(name is layer or name == layer.name for layer in self.layers)

    def __repr__(self) -> str:
        """The attentions with their shapes (batch, heads, query, key)."""
        return f"AttentionRecord({', '.join(map(repr, self.layers))}; {self.line()})"

    def __iter__(self) -> Iterator[LayerAttention]:
        """The attentions in order."""
        return iter(self.layers)

    def __len__(self) -> int:
        """How many attentions there are."""
        return len(self.layers)

    def line(self, drawn: Iterable[LayerAttention] | None = None) -> str:
        """One line for the title of a picture of these layers, by default of all: labels
        are told of only where some are to be seen."""
        shown = self.layers if drawn is None else drawn
        origin = self.provenance
        if not any(one.query_tokens or one.key_tokens for one in shown):
            origin = replace(origin, inputs=origin.inputs.removeprefix(LABELLED))
        return origin.line()


def check_batch_item(item: int, size: int) -> None:
    """Raise NeuralError NE133 unless `item`, which labels and pictures are about, is a
    whole number and the batch of `size` has it."""
    have = "only item 0" if size == 1 else f"items 0 to {size - 1}"
    if not isinstance(item, Integral) or isinstance(item, bool):
        message = f"a batch item is a whole number, not {item!r}"
    elif not 0 <= item < size:
        message = f"the batch has no item {item}"
    else:
        return
    raise refusal("NE133", message, help=f"it has {have}")
