"""How much memory a run and a capture take, told before they start.

Attention weights grow with the square of the length: one layer of 12 heads at 16,384
tokens holds 12 GiB. Better a refusal with a number than a killed process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from neural_dsl.catalogue.backends import BACKENDS
from neural_dsl.catalogue.tensors import Attention, Tensor
from neural_dsl.diagnostics import NeuralError, refusal
from neural_dsl.free import available
from neural_dsl.graph.nodes import Layer, Network

FLOAT32 = 4
# Scores, softmax and check of one layer at a time, in float32 matrices of its size.
WORKING_COPIES = 3
# Bytes that the pictures take for each cell of one batch item: Matplotlib's float64 copy
# and colours (about 20), and the digits of the page (about 20).
PICTURE_BYTES = 40
# Asking the system takes longer than running a small model: this much is always there.
ALWAYS_FREE = 64 * 2**20
GIB = 2**30


@dataclass(frozen=True)
class Matrices:
    """How many float32 matrices a backend's own forward pass holds at once for one
    attention: of all its heads (B, H, Q, K), and of a mask (B, 1, Q, K)."""

    heads: float = 0
    masks: float = 0


Holds: TypeAlias = Callable[[Layer, Attention], Matrices]


def no_matrices(layer: Layer, attention: Attention) -> Matrices:
    """A fused kernel: queries times keys never stand in memory as a whole."""
    return Matrices()


def estimate(
    network: Network,
    batch: int,
    lengths: Mapping[str, int],
    wanted: Collection[str] | None = None,
    *,
    holds: Holds = no_matrices,
) -> int:
    """Bytes that capturing, checking and drawing the wanted attentions will take.

    `lengths`: input name -> number of positions (of any input of unknown length; the
    longest stands for every length that the file leaves open). `wanted`: attention
    names, None for all. `holds` says what the backend's own forward pass takes as well.
    """
    longest = max(lengths.values(), default=1)
    total = largest_wanted = pictures = 0
    for name, layer, attention in network.attentions():
        cells = attention.num_heads * _cells(layer, attention, longest)
        if wanted is None or name in wanted:
            total += batch * cells
            largest_wanted = max(largest_wanted, cells)
            pictures += cells
    working = WORKING_COPIES * batch * largest_wanted
    forward = _matrix_bytes(network, batch, longest, holds)
    return FLOAT32 * (total + working) + PICTURE_BYTES * pictures + forward


def estimate_run(
    network: Network, batch: int, lengths: Mapping[str, int], holds: Holds
) -> int:
    """Bytes that the model takes to run: its largest attention, its largest layer."""
    longest = max(lengths.values(), default=1)
    values = max((_values(layer, longest) for layer in network.layers()), default=0)
    return _matrix_bytes(network, batch, longest, holds) + FLOAT32 * batch * values


def _matrix_bytes(network: Network, batch: int, longest: int, holds: Holds) -> int:
    """What the most demanding attention holds in a plain forward pass."""
    most = 0.0
    for _, layer, attention in network.attentions():
        held = holds(layer, attention)
        copies = held.heads * attention.num_heads + held.masks
        most = max(most, copies * _cells(layer, attention, longest))
    return int(FLOAT32 * batch * most)


def _values(layer: Layer, longest: int) -> int:
    """The numbers of one example that stand around one layer: what it reads, what it
    gives, and the inside of a feed-forward network."""
    tensors = (*layer.inputs, layer.output)
    sizes = sum(
        prod(longest if size is None else size for size in tensor.shape)
        for tensor in tensors
    )
    inner = layer.params.get("ff_dim", 0) * _length(layer.inputs[0], longest)
    return int(sizes + inner)


def _cells(layer: Layer, attention: Attention, longest: int) -> int:
    """Queries times keys of one head."""
    queries = _length(layer.inputs[0], longest)
    if attention.kind == "cross":
        return queries * _length(layer.inputs[-1], longest)
    return queries * queries


def _length(tensor: Tensor, longest: int) -> int:
    length = tensor.shape[0] if tensor.shape else 1
    return longest if length is None else length


def refuse_if_too_large(
    network: Network,
    batch: int,
    lengths: Mapping[str, int],
    wanted: Collection[str] | None = None,
    *,
    holds: Holds = no_matrices,
    limit: int | None = None,
) -> None:
    """Raise NeuralError NE108 when capturing the wanted attentions takes more memory than
    `limit` (default: what is available)."""
    needed = estimate(network, batch, lengths, wanted, holds=holds)
    limit = limit_for(needed, limit)
    if needed <= limit:
        return
    names = [name for name, _, _ in network.attentions()]
    chosen = len(names) if wanted is None else len(set(wanted))
    tokens = max(lengths.values(), default=1)
    ways = [f"choose one of them with `--layer {names[0]}`"] if chosen > 1 else []
    raise _too_large(
        f"the weights of {chosen} attention layer{'s' * (chosen > 1)} at {tokens} tokens "
        "need",
        needed,
        limit,
        [*ways, *_less(batch, tokens)],
    )


def refuse_run_if_too_large(
    network: Network,
    batch: int,
    lengths: Mapping[str, int],
    backend: str,
    holds: Holds,
    *,
    limit: int | None = None,
) -> None:
    """The same for running the model."""
    needed = estimate_run(network, batch, lengths, holds)
    limit = limit_for(needed, limit)
    if needed <= limit:
        return
    tokens = max(lengths.values(), default=0)
    ways = []
    light = next(s.name for s in BACKENDS.values() if not s.whole_matrices)
    if backend != light and estimate_run(network, batch, lengths, fused) <= limit:
        ways = [
            f"run it with `--backend {light}`, which holds no whole attention matrix"
        ]
    raise _too_large(
        f"running `{network.name}` on {backend}"
        + (f" at {tokens} tokens needs" if tokens else " needs"),
        needed,
        limit,
        [*ways, *_less(batch, tokens)],
    )


def fused(layer: Layer, attention: Attention) -> Matrices:
    """What PyTorch's attention holds on a CPU, as measured. Its fused kernel needs no
    matrices, but for the mask of a causal attention over padded keys; and it takes no
    values of another size than the keys."""
    causal = attention.kind == "causal"
    if layer.params.get("value_dim") not in (None, layer.params.get("key_dim")):
        return Matrices(heads=2.75 if causal else 2.25)
    masked = causal and layer.inputs[0].mask is not None
    return Matrices(masks=1.5) if masked else Matrices()


def eager(layer: Layer, attention: Attention) -> Matrices:
    """What the emitted attention holds on TensorFlow, as measured: scores and their
    softmax, and a copy for each mask that is applied to them."""
    keys = layer.inputs[-1 if attention.kind == "cross" else 0]
    causal = attention.kind == "causal"
    if keys.mask is not None:
        return Matrices(heads=4, masks=0.5 * causal)
    return Matrices(heads=3, masks=0.25) if causal else Matrices(heads=2)


def limit_for(needed: int, limit: int | None = None) -> int:
    """The bytes that may be used: the caller's limit, else what is free."""
    if limit is not None:
        return limit
    return max(available(), ALWAYS_FREE) if needed > ALWAYS_FREE else ALWAYS_FREE


def _less(batch: int, tokens: int) -> list[str]:
    """What to give less of."""
    fewer = [f"give fewer than {batch} batch items with `--data`"] if batch > 1 else []
    shorter = [f"use fewer than {tokens} tokens"] if tokens else []
    return [*fewer, *shorter] or ["make its layers smaller"]


def _too_large(what: str, needed: int, limit: int, ways: list[str]) -> NeuralError:
    return refusal(
        "NE108",
        f"{what} {needed / GIB:.1f} GiB, and {limit / GIB:.1f} GiB are free",
        help=", or ".join(ways),
    )
