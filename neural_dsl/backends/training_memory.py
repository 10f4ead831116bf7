"""How much memory one step of a training takes at least, told before the first one.

Counted is what cannot be done without: weights with their gradients and the optimizer's
slots, what each layer gives (kept for the backward pass), the logits with their gradient,
and the examples. Anything else comes on top, so that no training is refused that fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from neural_dsl.backends.memory import FLOAT32, GIB, Holds, limit_for, no_matrices
from neural_dsl.diagnostics import refusal
from neural_dsl.graph.nodes import Network
from neural_dsl.tasks import task_spec

SLOTS: Mapping[str, int] = {"SGD": 0, "Adam": 2, "AdamW": 2, "Adamax": 2, "Nadam": 2}
"""Numbers that an optimizer keeps for each weight; one of most others."""
INT64 = 8


def estimate_step(
    network: Network, batch: int, length: int, holds: Holds = no_matrices
) -> dict[str, int]:
    """Bytes of one step on `batch` examples of `length` positions, by what they are for.
    `holds` tells which attentions hold whole matrices (`memory.py`)."""
    sizes = [
        prod(length if size is None else size for size in layer.output.shape)
        for layer in network.layers()
    ]
    matrices = sum(
        attention.num_heads * length**2
        for layer in network.layers()
        for attention in layer.attentions
        if holds(layer, attention).heads
    )
    optimizer = network.optimizer.name if network.optimizer else "AdamW"
    kept = 2 + SLOTS.get(optimizer, 1)
    logits = prod(length if size is None else size for size in network.output.shape)
    return {
        "weights, gradients and optimizer": FLOAT32 * kept * network.parameter_count,
        "layers": FLOAT32 * batch * (sum(sizes) - logits),
        "attention": FLOAT32 * batch * matrices,  # softmax's own output, kept
        "logits": FLOAT32 * batch * 2 * logits,  # and their gradient
        "examples": INT64 * _numbers_at_once(network, batch) * length,
    }


def _numbers_at_once(network: Network, batch: int) -> int:
    """How many numbers of each position the data part holds at least when it makes a
    batch, or the larger set that is held out, as one: inputs and targets; of problems
    also those drawn; of several lengths also the order in which padding goes last."""
    assert network.task is not None
    params = network.task.params
    held_out = int(max(params.get("validation_size", 0), params.get("test_size", 0)))
    ranged = isinstance(params.get("length"), tuple)
    return (5 if ranged else 3 if held_out else 2) * max(batch, held_out)


def refuse_training_if_too_large(
    network: Network,
    batch: int,
    on_cpu: bool,
    holds: Holds = no_matrices,
    *,
    limit: int | None = None,
) -> None:
    """Raise NeuralError NE108 when one step takes more memory than `limit` (default: what
    is available). On another device only the examples and the weights as they are made
    count: its own memory is not this machine's."""
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
        f"({parts[most] / GIB:,.1f} GiB for {most}), and {limit / GIB:.1f} GiB are "
        "free",
        network.source,
        network.task.span,
        help=fewer.get(most, "make the model or the task's vocabulary smaller"),
    )
