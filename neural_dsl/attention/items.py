"""The item of a batch that labels and pictures are about. Code NE133."""

from __future__ import annotations

from numbers import Integral

from neural_dsl.diagnostics import refusal


def check_batch_item(item: int, size: int) -> None:
    """Raise NE133 unless `item` is a whole number and the batch of `size` has it."""
    have = "only item 0" if size == 1 else f"items 0 to {size - 1}"
    if not isinstance(item, Integral) or isinstance(item, bool):
        message = f"a batch item is a whole number, not {item!r}"
    elif not 0 <= item < size:
        message = f"the batch has no item {item}"
    else:
        return
    raise refusal("NE133", message, help=f"it has {have}")
