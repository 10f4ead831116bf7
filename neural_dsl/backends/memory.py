"""How much memory a run, a capture or a step of a training takes, told before it starts.

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

FLOAT32, INT64 = 4, 8
# Scores, softmax and check of one layer at a time, in float32 matrices of its size.
WORKING_COPIES = 3
# Bytes that the pictures take for each cell of one batch item: Matplotlib's float64 copy
# and colours (about 20), and the digits of the page (about 20).
PICTURE_BYTES = 40
# Asking the system takes longer than running a small model: this much is always there.
ALWAYS_FREE = 64 * 2**20
GIB = 2**30

SLOTS: Mapping[str, int] = {"SGD": 0, "Adam": 2, "AdamW": 2, "Adamax": 2, "Nadam": 2}
"""Numbers that an optimizer keeps for each weight; one of most others."""


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


def estimate(
    network: Network,
    batch: int,
    tokens: int,
    wanted: Collection[str] | None = None,
    *,
    holds: Holds = no_matrices,
) -> int:
    """Bytes that capturing, checking and drawing the wanted attentions will take.

    `tokens`: the positions of the longest sequence that is read, which stand for every
    length that the file leaves open, 0 where there is none. `wanted`: attention names,
    None for all. `holds` says what the backend's own forward pass takes as well.
    """
    longest = tokens or 1
    cells = [
        attention.num_heads * _cells(layer, attention, longest)
        for name, layer, attention in network.attentions()
        if wanted is None or name in wanted
    ]
    working = sum(cells) + WORKING_COPIES * max(cells, default=0)
    forward = _matrix_bytes(network, batch, longest, holds)
    return FLOAT32 * batch * working + PICTURE_BYTES * sum(cells) + forward


def estimate_run(network: Network, batch: int, tokens: int, holds: Holds) -> int:
    """Bytes that the model takes to run: its largest attention, and its largest layer,
    with what it reads and gives and the inside of a feed-forward network."""
    longest = tokens or 1
    values = [
        sum(_numbers(tensor, longest) for tensor in (*layer.inputs, layer.output))
        + layer.params.get("ff_dim", 0) * _length(layer.inputs[0], longest)
        for layer in network.layers()
    ]
    around = FLOAT32 * batch * int(max(values, default=0))
    return _matrix_bytes(network, batch, longest, holds) + around


def estimate_step(
    network: Network, batch: int, length: int, holds: Holds = no_matrices
) -> dict[str, int]:
    """Bytes of one step on `batch` examples of `length` positions, by what they are for.

    Counted is what cannot be done without: weights with their gradients and the
    optimizer's slots, what each layer gives (kept for the backward pass), the logits with
    their gradient, and the examples. Anything else comes on top, so that no training is
    refused that fits. `holds` tells which attentions hold whole matrices.
    """
    outputs = sum(_numbers(layer.output, length) for layer in network.layers())
    logits = _numbers(network.output, length)
    matrices = sum(
        attention.num_heads * length**2
        for layer in network.layers()
        for attention in layer.attentions
        if holds(layer, attention).heads
    )
    optimizer = network.optimizer.name if network.optimizer else "AdamW"
    kept = 2 + SLOTS.get(optimizer, 1)
    # What the data part holds at least of each position when it makes a batch, or the
    # larger set that is held out, as one: inputs and targets; of problems also those
    # drawn; of several lengths also the order in which padding goes last.
    assert network.task is not None
    params = network.task.params
    held_out = int(max(params.get("validation_size", 0), params.get("test_size", 0)))
    ranged = isinstance(params.get("length"), tuple)
    examples = (5 if ranged else 3 if held_out else 2) * max(batch, held_out)
    return {
        "weights, gradients and optimizer": FLOAT32 * kept * network.parameter_count,
        "layers": FLOAT32 * batch * (outputs - logits),
        "attention": FLOAT32 * batch * matrices,  # softmax's own output, kept
        "logits": FLOAT32 * batch * 2 * logits,  # and their gradient
        "examples": INT64 * examples * length,
    }


def _matrix_bytes(network: Network, batch: int, longest: int, holds: Holds) -> int:
    """What the most demanding attention holds in a plain forward pass."""
    most = 0.0
    for _, layer, attention in network.attentions():
        held = holds(layer, attention)
        copies = held.heads * attention.num_heads + held.masks
        most = max(most, copies * _cells(layer, attention, longest))
    return int(FLOAT32 * batch * most)


def _cells(layer: Layer, attention: Attention, longest: int) -> int:
    """Queries times keys of one head."""
    keys = layer.inputs[-1 if attention.kind == "cross" else 0]
    return _length(layer.inputs[0], longest) * _length(keys, longest)


def _length(tensor: Tensor, longest: int) -> int:
    length = tensor.shape[0] if tensor.shape else 1
    return longest if length is None else length


def _numbers(tensor: Tensor, longest: int) -> int:
    """How many one example has."""
    return prod(longest if size is None else size for size in tensor.shape)


def refuse_if_too_large(
    network: Network,
    batch: int,
    tokens: int,
    wanted: Collection[str] | None = None,
    *,
    holds: Holds = no_matrices,
    limit: int | None = None,
) -> None:
    """Raise NeuralError NE108 when capturing the wanted attentions takes more memory than
    `limit` (default: what is available)."""
    needed = estimate(network, batch, tokens, wanted, holds=holds)
    limit = limit_for(needed, limit)
    if needed > limit:
        names = [name for name, _, _ in network.attentions()]
        chosen = len(names) if wanted is None else len(set(wanted))
        layers = f"{chosen} attention layer{'s' * (chosen > 1)}"
        what = f"the weights of {layers} at {tokens} tokens need"
        ways = [f"choose one of them with `--layer {names[0]}`"] if chosen > 1 else []
        raise _too_large(what, needed, limit, ways + _less(batch, tokens))


def refuse_run_if_too_large(
    network: Network,
    batch: int,
    tokens: int,
    backend: str,
    holds: Holds,
    *,
    limit: int | None = None,
) -> None:
    """The same for running the model."""
    needed = estimate_run(network, batch, tokens, holds)
    limit = limit_for(needed, limit)
    if needed > limit:
        at = f" at {tokens} tokens" if tokens else ""
        light = next(s.name for s in BACKENDS.values() if not s.whole_matrices)
        fits = estimate_run(network, batch, tokens, fused) <= limit
        other = (
            f"run it with `--backend {light}`, which holds no whole attention matrix"
        )
        ways = [other] if backend != light and fits else []
        what = f"running `{network.name}` on {backend}{at} needs"
        raise _too_large(what, needed, limit, ways + _less(batch, tokens))


def refuse_training_if_too_large(
    network: Network,
    batch: int,
    on_cpu: bool,
    holds: Holds = no_matrices,
    *,
    limit: int | None = None,
) -> None:
    """The same for one step of a training. On another device only the examples and the
    weights as they are made count: its own memory is not this machine's."""
    from neural_dsl.tasks import task_spec

    assert network.task is not None
    spec, params = task_spec(network.task.name), network.task.params
    longest = spec.max_length(params) if spec.draws else 1
    parts = estimate_step(network, batch, longest or 1, holds)
    if not on_cpu:
        weights = FLOAT32 * network.parameter_count
        parts = {"weights": weights, "examples": parts["examples"]}
    needed = sum(parts.values())
    limit = limit_for(needed, limit)
    if needed <= limit:
        return
    most = max(parts, key=lambda name: parts[name])
    fewer = {
        "layers": "set a smaller `train.batch_size`, or make the task's sequences shorter",
        "logits": "set a smaller `train.batch_size`, or a smaller vocabulary",
        "attention": "train with `--backend pytorch`, which holds no whole attention "
        "matrix, or make the task's sequences shorter",
        "examples": "make the task's sequences shorter",
    }
    raise refusal(
        "NE108",
        f"one training step of `{network.name}` needs at least {needed / GIB:,.1f} GiB "
        f"({parts[most] / GIB:,.1f} GiB for {most}), and {limit / GIB:.1f} GiB are free",
        network.source,
        network.task.span,
        help=fewer.get(most, "make the model or the task's vocabulary smaller"),
    )


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
