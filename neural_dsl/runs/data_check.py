"""Whether a user's examples are what the network reads and is compared with: what stands in
arrays, or comes out of code, is known only when it is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_dsl.diagnostics import refusal
from neural_dsl.graph.nodes import Input, Network
from neural_dsl.rules.measures import Goal, goal_of
from neural_dsl.tasks.base import IGNORED, SPLITS
from neural_dsl.tasks.checked import failures_named, has_answers

CHUNK = 1_000  # examples at a time
LOOKED_AT = 2_000  # of each split of a user's code, which may make no end of them

Array = npt.NDArray[Any]


def refuse_unfit_data(network: Network, task: Any) -> None:
    """Raise NeuralError NE164 for examples that do not fit the network."""
    setting = network.task
    assert setting is not None
    if setting.name not in ("Arrays", "Custom"):
        return
    with failures_named(task):
        for problem, help in problems(network, task):
            what = f"the examples do not fit the network `{network.name}`: {problem}"
            raise refusal("NE164", what, network.source, setting.span, help=help)
        if setting.name == "Custom" and has_answers(task):
            prompt, _ = task.problem("test", 0)  # what the first validation will do
            task.encode(prompt), task.answer_length(prompt)


def problems(network: Network, task: Any) -> Iterator[tuple[str, str]]:
    """What is wrong, and how to mend it: found one at a time."""
    assert network.task is not None
    goal = goal_of(network)
    for split in SPLITS:
        size = task.size(split)
        if size < 1:
            yield f"the {split} split is empty", "every split needs examples"
        if network.task.name == "Custom":
            size = min(size, LOOKED_AT)
        for start in range(0, size, CHUNK):
            x, y = task.batch(split, np.arange(start, min(start + CHUNK, size)))
            parts = x if isinstance(x, tuple) else (x,)
            if len(parts) != len(network.inputs):
                yield (
                    f"a batch has {len(parts)} inputs, the network {len(network.inputs)}",
                    "a batch of several inputs has a tuple of arrays",
                )
                return
            for part, given in zip(parts, network.inputs, strict=True):
                yield from _input_problems(network, given, part, split)
            yield from _target_problems(network, goal, y, parts[0], split)


def _fits(found: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(found) == len(wanted) and all(
        b in (None, a) for a, b in zip(found, wanted, strict=True)
    )


def _input_problems(
    network: Network, given: Input, part: Array, split: str
) -> Iterator[tuple[str, str]]:
    name = f"the input `{given.name}` of the {split} split"
    ids = given.tensor.dtype == "ids"
    if part.dtype != ("int64" if ids else "float32"):
        wanted = "int64 (token ids)" if ids else "float32"
        yield f"{name} holds {part.dtype} values", f"the network reads {wanted}"
        return
    shape, wish = part.shape[1:], given.tensor.shape
    if not _fits(shape, wish):
        reads = str(wish).replace("None", "any length")
        yield (
            f"an example of {name} has the shape {shape}, the network reads {reads}",
            f"declare `input: {shape}`, or reshape the examples"
            if shape
            else "reshape the examples: `x.reshape(-1, 1)` goes with `input: (1,)`",
        )
    elif not ids and not np.isfinite(part).all():
        yield f"{name} holds NaN or infinite values", "leave such examples out"
    elif ids:
        # Ids must have a row in the table that looks them up; with several inputs and
        # tables, the largest one is all that is sure.
        sizes = [layer.params.get("input_dim") for layer in network.layers()]
        rows, high = max(filter(None, sizes), default=None), int(part.max())
        if part.min() < 0:
            help = "ids count from 0, which is padding"
            yield f"{name} holds the id {part.min()}", help
        if rows is not None and high >= rows:
            yield (
                f"{name} holds the id {high:,}, the `Embedding` has {rows:,} rows",
                f"write `Embedding(input_dim={high + 1}, …)` or more",
            )


def _target_problems(
    network: Network, goal: Goal, y: Array, x: Array, split: str
) -> Iterator[tuple[str, str]]:
    name, loss = f"the targets of the {split} split", goal.loss.name
    kind, values = y.dtype.kind, network.output.shape[-1]
    labels = loss == "sparse_categorical_crossentropy"
    if labels and kind != "i":
        help = "a loss for numbers fits those: `Output(1)` with `loss: mse`"
        if y.shape[-1:] == (values,):
            help = "rows of 0 and 1 go with `loss: categorical_crossentropy`"
        yield f"{name} hold {y.dtype} values, not labels", help
        return
    if kind not in "ifu":
        yield f"{name} hold {y.dtype} values", "numbers are needed"
        return
    if not np.isfinite(y).all():
        yield f"{name} hold NaN or infinite values", "leave such examples out"
    # An open length is that of the input; single numbers may stand without an axis.
    length = x.shape[1] if x.ndim > 1 else None
    wanted = network.output.shape[:-1] if labels else network.output.shape
    wanted = tuple(length if size is None else size for size in wanted)
    single = not labels and values == 1 and y.ndim == len(network.output.shape)
    shape = (*y.shape[1:], 1) if single else y.shape[1:]
    if not _fits(shape, wanted):
        yield (
            f"{name} have the shape {shape} each, the network gives {wanted}",
            "rows of 0 and 1 go with `loss: categorical_crossentropy`; labels are one number"
            if len(shape) == len(wanted) + 1
            else "reshape the targets, or change what the network ends in",
        )
    if labels:
        counted = y[y != IGNORED] if goal.tokens else y
        wrong = counted[(counted < 0) | (counted >= values)]
        if wrong.size:
            yield (
                f"{name} hold the label {wrong[0]}, the network tells {values} apart",
                "labels count from 0, and `Output` has as many values as there are labels",
            )
    elif loss == "binary_crossentropy" and not np.isin(y, (0, 1)).all():
        yield f"{name} hold other numbers than 0 and 1", f"`{loss}` compares with those"
