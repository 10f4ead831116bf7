"""How much memory a capture takes, told before it starts.

Attention weights grow with the square of the length: one layer of 12 heads at 16,384
tokens holds 12 GiB. Better a refusal with a number than a killed process.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from neural_dsl.catalogue.tensors import Attention, Tensor
from neural_dsl.diagnostics import Diagnostic, NeuralError
from neural_dsl.ir.nodes import Layer, Network

FLOAT32 = 4
# Scores, softmax and check of one layer at a time, in float32 matrices of its size.
WORKING_COPIES = 3
# Bytes that the pictures take for each cell of one batch item: Matplotlib's float64 copy
# and colours (about 20), and the digits of the page (about 20).
PICTURE_BYTES = 40
# Asking the system takes longer than running a small model: this much is always there.
ALWAYS_FREE = 64 * 2**20
# Assumed where the system does not tell.
UNKNOWN_SYSTEM = 4 * 2**30
GIB = 2**30


def estimate(
    network: Network,
    batch: int,
    lengths: Mapping[str, int],
    wanted: Collection[str] | None = None,
    *,
    materialises: bool = False,
) -> int:
    """Bytes that capturing, checking and drawing the wanted attentions will take.

    `lengths`: input name -> number of positions (of any input of unknown length; the
    longest stands for every length that the file leaves open). `wanted`: attention
    names, None for all. `materialises` says that the backend's own forward pass holds
    the T x T matrices of a layer as well (TensorFlow has no fused kernel on a CPU).
    """
    longest = max(lengths.values(), default=1)
    total = largest_wanted = largest = pictures = 0
    for name, layer, attention in network.attentions():
        cells = attention.num_heads * _cells(layer, attention, longest)
        largest = max(largest, cells)
        if wanted is None or name in wanted:
            total += batch * cells
            largest_wanted = max(largest_wanted, cells)
            pictures += cells
    working = WORKING_COPIES * batch * largest_wanted
    if materialises:
        working += WORKING_COPIES * batch * largest
    return FLOAT32 * (total + working) + PICTURE_BYTES * pictures


def _cells(layer: Layer, attention: Attention, longest: int) -> int:
    """Queries times keys of one head."""
    queries = _length(layer.inputs[0], longest)
    if attention.kind == "cross":
        return queries * _length(layer.inputs[-1], longest)
    return queries * queries


def _length(tensor: Tensor, longest: int) -> int:
    length = tensor.shape[0] if tensor.shape else 1
    return longest if length is None else length


def available() -> int:
    """Bytes that this process may still take.

    The smaller of what the system says (`MemAvailable` in /proc/meminfo, else half of
    the physical memory, else 4 GiB) and what its control group leaves (Linux containers).
    """
    system = _meminfo() or _physical_half() or UNKNOWN_SYSTEM
    return min([system, *_control_groups()])


def refuse_if_too_large(
    network: Network,
    batch: int,
    lengths: Mapping[str, int],
    wanted: Collection[str] | None = None,
    *,
    materialises: bool = False,
    limit: int | None = None,
) -> None:
    """Raise NeuralError NE108 when the estimate is above `limit` (default: available)."""
    needed = estimate(network, batch, lengths, wanted, materialises=materialises)
    if limit is None:
        limit = max(available(), ALWAYS_FREE) if needed > ALWAYS_FREE else ALWAYS_FREE
    if needed <= limit:
        return
    names = [name for name, _, _ in network.attentions()]
    chosen = len(names) if wanted is None else len(set(wanted))
    tokens = max(lengths.values(), default=1)
    ways = [f"choose one of them with `--layer {names[0]}`"] if chosen > 1 else []
    if batch > 1:
        ways.append(f"give fewer than {batch} batch items with `--data`")
    ways.append(f"use fewer than {tokens} tokens")
    raise NeuralError(
        Diagnostic(
            "NE108",
            f"the weights of {chosen} attention layer{'s' * (chosen > 1)} at {tokens} "
            f"tokens need {needed / GIB:.1f} GiB, and {limit / GIB:.1f} GiB are free",
            help=", or ".join(ways),
        )
    )


def _meminfo() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _physical_half() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return None


def _control_groups() -> Iterator[int]:
    """What the limits of this process's control group leave (versions 2 and 1)."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        root = Path("/sys/fs/cgroup")
        try:
            maximum = (root / limit).read_text().strip()
            if maximum != "max":
                yield max(0, int(maximum) - int((root / used).read_text()))
        except (OSError, ValueError):
            continue
