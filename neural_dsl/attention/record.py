"""The AttentionRecord: what every picture, metric and report is made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

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
      masked cell is 0; a row without any valid key is all 0.
    - `key_mask`: bool (batch, key), True where the key is valid, None when all are.
    - `query_mask`: bool (batch, query), likewise. Padded queries do attend; metrics leave
      their rows out.
    - `query_tokens`, `key_tokens`: labels, one tuple a batch item, None when unknown.
    - `expected`: bool (batch, query, key), True where a model that solves its task must
      look, None when no such thing is known.

    The arrays are read-only; copy one to change it.
    """

    name: str
    kind: Kind
    weights: npt.NDArray[np.float32]
    key_mask: npt.NDArray[np.bool_] | None = None
    query_mask: npt.NDArray[np.bool_] | None = None
    query_tokens: Tokens | None = None
    key_tokens: Tokens | None = None
    expected: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Show the arrays read-only: what was seen does not change afterwards."""
        for name in ("weights", "key_mask", "query_mask", "expected"):
            array = getattr(self, name)
            if array is not None:
                view = array.view()
                view.flags.writeable = False
                object.__setattr__(self, name, view)

    @property
    def num_heads(self) -> int:
        """The number of heads."""
        return int(self.weights.shape[1])

    def allowed(self) -> npt.NDArray[np.bool_]:
        """bool (batch, query, key): where query i may attend to key j."""
        batch, _, queries, keys = self.weights.shape
        allowed = np.ones((batch, queries, keys), dtype=bool)
        if self.kind == "causal":
            allowed &= np.tri(queries, keys, dtype=bool)
        if self.key_mask is not None:
            allowed &= self.key_mask[:, None, :]
        return allowed


@dataclass(frozen=True)
class Provenance:
    """What a picture shows, in words; printed on every figure and stored in every file.

    - `model`: the network's name; `source`: the file it came from.
    - `backend`: "pytorch" or "tensorflow".
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

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "model": self.model,
            "source": self.source,
            "backend": self.backend,
            "weights": self.weights,
            "inputs": self.inputs,
            "versions": dict(self.versions),
        }


@dataclass(frozen=True)
class AttentionRecord:
    """The attentions of one run of one model, in the model's order."""

    layers: tuple[LayerAttention, ...]
    provenance: Provenance

    def line(self, drawn: Iterable[LayerAttention] | None = None) -> str:
        """One line for the title of a picture of these layers, by default of all: labels
        are told of only where some are to be seen."""
        shown = self.layers if drawn is None else drawn
        origin = self.provenance
        if not any(one.query_tokens or one.key_tokens for one in shown):
            origin = replace(origin, inputs=origin.inputs.removeprefix(LABELLED))
        return origin.line()
