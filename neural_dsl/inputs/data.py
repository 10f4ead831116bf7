"""The arrays that a user gives: read from .npy and .npz, checked, converted.

What leaves this module fits the network's inputs: int64 ids inside the vocabulary, or
finite float32, one batch size for all. Codes NE120 to NE127.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from neural_dsl.diagnostics import refusal
from neural_dsl.diagnostics.suggest import closest
from neural_dsl.files import quoted
from neural_dsl.graph.nodes import Input
from neural_dsl.inputs.stored import AnyArray, Archive, read

UNNAMED = ("arr_0", "x")
"""What the only input may be called beside its name: `numpy.savez` calls an array without
a name so, and the task `Arrays` the inputs of its examples."""
SPLITS = ("", "_validation", "_test")

Data: TypeAlias = str | os.PathLike[str] | AnyArray | Mapping[str, AnyArray]


def batch(shape: tuple[int | None, ...]) -> str:
    """A shape with its batch axis, as messages show it: `(batch, 50, 256)`."""
    sizes = ("batch", *("any length" if n is None else str(n) for n in shape))
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def by_input(data: Data, inputs: tuple[Input, ...]) -> tuple[dict[str, AnyArray], str]:
    """Each input's array, not yet checked, and where they came from.

    Raises NE126 when arrays are missing, unknown or not told apart.
    """
    given: AnyArray | Mapping[str, AnyArray]
    if isinstance(data, (str, os.PathLike)):
        given, origin = read(Path(data)), Path(data).name
    else:
        given, origin = data, "an array"
    names = [item.name for item in inputs]
    keys = _listed(names)
    if not isinstance(given, Mapping):
        if len(names) > 1:
            message = (
                f"one array was given, and the network has {len(names)} inputs: {keys}"
            )
            help = "numpy.savez('X.npz', " + ", ".join(f"{n}=…" for n in names) + ")"
            raise refusal("NE126", message, help=help)
        return {names[0]: as_array(given, origin)}, origin
    there = without_targets(list(given), names)
    if len(names) == len(there) == 1 and there[0] in UNNAMED:
        return {names[0]: load(inputs[0], given, there[0], origin)}, origin
    missing = [name for name in names if name not in there]
    unknown = [name for name in there if name not in names]
    if missing or unknown:
        problems = [f"no array for {_listed(missing)}"] if missing else []
        if unknown:
            problems.append("unknown " + ", ".join(quoted(n) for n in unknown))
        message = f"the names in {quoted(origin)} do not match: {'; '.join(problems)}"
        what = "only input is" if len(names) == 1 else "inputs are"
        help = suggestion(unknown, names) + f"the network's {what} {keys}"
        raise refusal("NE126", message, help=help)
    labels = {name: f"`{name}` in {origin}" for name in names}
    return {i.name: load(i, given, i.name, labels[i.name]) for i in inputs}, origin


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def without_targets(given: list[str], names: list[str]) -> list[str]:
    """Of the examples that the task `Arrays` trains on only the inputs are read: no
    targets, and no split that is held out. Other files are taken at their word."""
    if "y" not in given:
        return given
    inputs = {*names, *UNNAMED}
    aside = {f"{name}{split}" for name in (*inputs, "y") for split in SPLITS} - inputs
    return [name for name in given if name not in aside]


def suggestion(unknown: list[str], names: list[str]) -> str:
    """ "did you mean `source`? ", or nothing."""
    near = [closest(str(name), names) for name in unknown]
    return next((f"did you mean `{name}`? " for name in near if name), "")


def load(item: Input, given: Mapping[str, AnyArray], key: str, label: str) -> AnyArray:
    """One of several arrays; one in a file is read only if its shape fits (NE122)."""
    if isinstance(given, Archive):
        check_shape(item, given.shape(key), label)
    return as_array(given[key], label)


def as_array(given: object, label: str) -> AnyArray:
    """Anything as an array. Raises NE122 for rows of different lengths."""
    try:
        return np.asarray(given)
    except ValueError as error:
        help = "pad the shorter rows, or give one example at a time"
        raise refusal(
            "NE122", f"{label} has no one shape: {error}", help=help
        ) from None


def check(item: Input, array: AnyArray, label: str) -> AnyArray:
    """The array as the network takes it: int64 ids, or float32.

    `item.tensor.shape` must fit apart from the batch axis and the length, which
    `lengths` judges. Raises NE122 to NE125; `label` names the array in messages.
    """
    check_shape(item, array.shape, label)
    if item.tensor.dtype == "ids":
        return check_ids(item, array, label)
    return check_floats(array, label)


def check_shape(item: Input, found: tuple[int, ...], label: str) -> None:
    """Raise NE122 unless a shape, with its batch axis, fits the input."""
    shape = item.tensor.shape
    wanted = batch(shape)
    if len(found) != len(shape) + 1:
        help = f"the shape must be {wanted}"
        if len(found) == len(shape):
            help += "; for one example add the batch axis: x[numpy.newaxis]"
        raise refusal("NE122", f"{label} has the shape {found}", help=help)
    if 0 in found:
        raise refusal("NE122", f"{label} is empty: its shape is {found}")
    for axis, (size, declared) in enumerate(zip(found[1:], shape, strict=True)):
        resizable = axis == 0 and item.is_sequence
        if declared is not None and size != declared and not resizable:
            message = (
                f"{label} has the shape {found}, with {size} where the network "
                f"declares {declared}"
            )
            raise refusal("NE122", message, help=f"the shape must be {wanted}")


def check_ids(item: Input, array: AnyArray, label: str) -> AnyArray:
    """int64 ids, each in 0 … vocabulary - 1."""
    if array.dtype.kind not in "iu":
        message = f"{label} holds {array.dtype} values; token ids are whole numbers"
        raise refusal("NE123", message, help="convert it: x.astype(numpy.int64)")
    low, high = int(array.min()), int(array.max())
    if item.vocabulary is not None and (low < 0 or high >= item.vocabulary):
        bad = low if low < 0 else high
        place = tuple(int(i[0]) for i in np.nonzero(array == bad))
        raise refusal(
            "NE125",
            f"{label} holds the id {bad} (at {place}), outside the vocabulary",
            help=f"ids go from 0 to {item.vocabulary - 1}: the Embedding has "
            f"input_dim={item.vocabulary}",
        )
    return array.astype(np.int64)


def check_floats(array: AnyArray, label: str) -> AnyArray:
    """Finite float32."""
    if array.dtype.kind not in "fiu":
        message = f"{label} holds {array.dtype} values; this input takes numbers"
        raise refusal("NE123", message, help="convert it: x.astype(numpy.float32)")
    with np.errstate(over="ignore"):
        converted: AnyArray = array.astype(np.float32)
    finite = np.isfinite(converted)
    if not finite.all():
        place = tuple(int(i[0]) for i in np.nonzero(~finite))
        count = int(converted.size - finite.sum())
        value = array[place]
        what = "NaN" if np.isnan(value) else f"{value}"
        if np.isfinite(value):
            what += ", too large for float32"
        others = f" and {count - 1:,} more" if count > 1 else ""
        raise refusal(
            "NE124",
            f"{label} holds {what} (at {place}){others}; every number must be finite",
            help="find them with numpy.argwhere(~numpy.isfinite(x))",
        )
    return converted


def same_batch(arrays: Mapping[str, AnyArray]) -> None:
    """Raise NE127 unless all have one batch size."""
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        each = ", ".join(f"`{name}` has {size}" for name, size in sizes.items())
        message = f"the inputs differ in their number of examples: {each}"
        raise refusal("NE127", message, help="give every input the same first axis")
